# SPDX-License-Identifier: Apache-2.0
"""containerctl --curl prints a command that, pasted into a shell, does the same through httpd."""
import json
import shlex
import subprocess

import pytest


@pytest.fixture
def two(stack):
    """The stack of conftest.py with two tenants that run, and httpd before them."""
    stack.sleeper("alpha")
    stack.sleeper("beta")
    stack.start()
    stack.serve()
    stack.wait_state("running", "alpha/web")
    stack.wait_state("running", "beta/web")
    return stack


def url(stack):
    # A name with what a shell would take apart, were it not quoted; httpd ignores the user.
    return f"http://it's&$(touch${{IFS}}x);@127.0.0.1:{stack.httpd.port}/container-status/".replace(
        "127.0.0.1", "status.test")


def run(stack, *arguments):
    """The answers of the printed commands, run by a shell."""
    printed = stack.ctl(*arguments, "--curl", "--url", url(stack)).stdout.splitlines()
    answers = []
    for command in printed:
        assert shlex.split(command)[0] == "curl"
        command = command.replace("curl ", f"curl --resolve status.test:{stack.httpd.port}:127.0.0.1 ", 1)
        done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=60,
                              cwd=stack.path)
        assert done.returncode == 0, (command, done.stderr)
        answers.append(json.loads(done.stdout))
    assert not (stack.path / "x").exists()
    return answers


def test_actions_do_the_same(two):
    steps = [("stop", [], "stopped"), ("start", [], "running"), ("pause", [], "paused"),
             ("resume", [], "running"), ("restart", [], "running"), ("kill", ["-s", "KILL"], "stopped"),
             ("start", ["--timeout", "5"], "running")]
    for verb, options, state in steps:
        answer, = run(two, verb, *options, "alpha/web")
        assert answer["ok"] and answer["done"] and answer["changed"], answer
        assert answer["state"] == two.state("alpha/web") == state
        told = json.loads(two.ctl("-o", "json", verb, *options, "beta/web").stdout)[0]
        assert {key: told[key] for key in ("ok", "state", "changed")} == \
            {key: answer[key] for key in ("ok", "state", "changed")}


def test_many_names_are_many_commands(two):
    answers = run(two, "restart", "--no-wait", "alpha/web", "beta")
    assert [answer["ok"] for answer in answers] == [True, True]
    assert answers[1]["services"][0]["service"] == "web"
    two.wait_state("running", "alpha/web")
    two.wait_state("running", "beta/web")


def test_looks_show_the_same(two):
    told, = run(two, "ps", "-a")
    assert {f"{one['tenant']}/{one['service']}": one["pid"] for one in told["containers"]} == \
        {name: one["pid"] for name, one in two.ps().items()}
    told, = run(two, "ps", "alpha")
    assert [one["tenant"] for one in told["containers"]] == ["alpha"]
    two.ctl("stop", "beta/web")
    told, = run(two, "ps")
    assert [one["tenant"] for one in told["containers"]] == ["alpha"]
    two.ctl("start", "beta/web")


@pytest.mark.parametrize("arguments,complaint", [
    (["apply"], "nothing like this"), (["inspect", "alpha/web"], "nothing like this"),
    (["stop", "Alpha"], "not a tenant name"), (["ps", "--url", "ftp://x"], "write the address"),
    (["ps", "--url", "http://x/\x1b[2J"], "write the address"), (["ps", "--url", "http://x/?a"], "write the address"),
])
def test_what_has_no_equal_is_refused(stack, arguments, complaint):
    done = stack.ctl(*arguments, "--curl", check=False)
    assert done.returncode == 2 and complaint in done.stderr and done.stdout == ""
    assert "\x1b" not in done.stderr


def test_nothing_is_done(two):
    before = two.inspect("alpha/web")["pid"]
    printed = two.ctl("restart", "alpha/web", "--curl").stdout
    assert printed == ("curl -sS -X POST -d 'action=restart&wait=30' "
                       "'http://localhost/container-status/alpha/web'\n")
    assert two.inspect("alpha/web")["pid"] == before
