# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser: its policy lets its own style through, and nobody else's form does anything."""
import shutil
import subprocess

import pytest
from private_httpd import wait_until

BROWSER = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not BROWSER, reason="chromium is not installed")

EVIL = """<!doctype html><title>evil</title>
<form id="f" method="post" action="http://status.test:%d/container-status/beta/web">
<input name="action" value="stop"></form><script>document.getElementById('f').submit()</script>"""


def browse(stack, url, *arguments):
    profile = stack.path / "profile"
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--enable-logging=stderr", "--host-resolver-rules=MAP *.test 127.0.0.1",
         f"--user-data-dir={profile}", "--virtual-time-budget=4000", *arguments, "--dump-dom", url],
        capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


def test_page_is_shown_under_its_own_policy(stack):
    stack.sleeper("alpha")
    stack.start()
    httpd = stack.serve()
    page, console = browse(stack, f"http://status.test:{httpd.port}/container-status")
    assert "alpha/web" in page and "Scoreboard" in page
    assert "Content Security Policy" not in console, console


def test_cross_site_form_changes_nothing(stack):
    stack.php("alpha")
    stack.sleeper("beta")
    stack.start()
    httpd = stack.serve("alpha")
    evil = EVIL % httpd.port
    (stack.tenant_directory("alpha") / "site" / "index.php").write_text(evil)
    pid = stack.ps()["beta/web"]["pid"]
    browse(stack, f"http://alpha.test:{httpd.port}/")
    wait_until(lambda: "POST" in httpd.log() or "cross-site" in httpd.log() or "origin" in httpd.log().lower(),
               "the browser's request to be refused")
    assert stack.ps()["beta/web"]["pid"] == pid and stack.state("beta/web") == "running"
    # The same form of the page's own origin is taken, so it is the origin that was refused.
    reply = httpd.post("/container-status/beta/web", "action=stop",
                       headers={"Sec-Fetch-Site": "same-origin", "Origin": f"http://status.test:{httpd.port}"})
    assert reply.status == 200 and stack.state("beta/web") == "stopped"
