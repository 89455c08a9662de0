# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart, as a newcomer runs it."""
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
import world
from stack import ROOT

PORT = 8907
PLACE = ROOT / "build" / "quickstart"


def quickstart(*arguments):
    return subprocess.run([ROOT / "scripts" / "quickstart", *arguments], capture_output=True, text=True,
                          timeout=300, stdin=subprocess.DEVNULL)


def get(host, path="/"):
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read().decode()


@pytest.fixture
def quick():
    if PLACE.exists():
        pytest.skip("a quickstart is running in this clone")
    yield
    done = quickstart("--stop")
    assert done.returncode == 0, done.stderr
    assert not PLACE.exists()


def test_starts_shows_and_stops(quick):
    done = quickstart("--port", str(PORT))
    assert done.returncode == 0, done.stdout + done.stderr
    for word in (f"http://alpha.localhost:{PORT}/", "/container-status", "--stop", "curl"):
        assert word in done.stdout
    for tenant in ("alpha", "beta"):
        page = get(f"{tenant}.localhost")
        for word in (f"Hello from {tenant}-web", "33 inside", "128 MiB", "php-fpm: master process"):
            assert word in page
    assert "Scoreboard: RR" in get("localhost", "/container-status?auto")
    assert "alpha/web" in get("localhost", "/container-status")
    assert world.links() == {"lo"}, "the bridge lives in a namespace of its own"
    assert quickstart("--stop").returncode == 0
    assert "nothing is left" in quickstart("--stop").stdout


def test_starts_again_after_a_crash_of_itself(quick):
    assert quickstart("--port", str(PORT)).returncode == 0
    for name in ("supervisor.pid", "httpd/httpd.pid"):
        subprocess.run(["kill", "-KILL", (PLACE / name).read_text().strip()], check=True)
    subprocess.run(["pkill", "-KILL", "-f", f"apache2 -f {PLACE}"], check=False)
    done = quickstart("--port", str(PORT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from alpha-web" in get("alpha.localhost")


def test_port_in_use(quick):
    with socket.create_server(("127.0.0.1", PORT)):
        done = quickstart("--port", str(PORT))
    assert done.returncode == 1
    assert f"port {PORT} of 127.0.0.1 is in use; choose another one" in done.stderr
    assert not PLACE.exists()


@pytest.mark.parametrize("arguments, said", [
    (["--port"], "Usage:"), (["--port", "http"], "not a port number"), (["--port", "0"], "1..65535"),
    (["--prot", "1"], "unknown option --prot")])
def test_wrong_options(arguments, said):
    done = quickstart(*arguments)
    assert done.returncode in (1, 2) and said in done.stderr


@pytest.fixture
def closed_directory():
    path = Path(tempfile.mkdtemp(prefix="mcq-", dir="/tmp"))
    assert path.stat().st_mode & 0o077 == 0
    yield path
    shutil.rmtree(path)


def test_below_a_closed_directory(closed_directory):
    """A clone in /root: httpd's children, who may not enter it, reach the sockets all the same."""
    clone = closed_directory / "mod_container"
    clone.mkdir()
    for name in ("scripts", "conf", "Makefile.apxs", "mod_container", "common", "supervisor"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, clone / name)
    shutil.copytree(ROOT / "build", clone / "build", ignore=shutil.ignore_patterns("vm", "sanitize", "unit",
                                                                                  "quickstart"))
    script = clone / "scripts" / "quickstart"
    try:
        done = subprocess.run([script, "--port", str(PORT)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Hello from alpha-web" in get("alpha.localhost")
    finally:
        done = subprocess.run([script, "--stop"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
