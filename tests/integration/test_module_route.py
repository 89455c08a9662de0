# SPDX-License-Identifier: Apache-2.0
"""ContainerRoute of a real httpd to real PHP-FPM, on a scoreboard that the test writes."""
import os
import socket
import time

import pytest

from private_httpd import MPMS, Board, HttpBackend, Httpd, PhpFpm, Workplace

TELL = """<?php header("Content-Type: text/plain");
foreach (["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "DOCUMENT_ROOT",
          "QUERY_STRING", "HTTP_PROXY", "REQUEST_METHOD"] as $key)
    echo $key, "=", $_SERVER[$key] ?? "-", "\\n";
echo "BODY=", file_get_contents("php://input"), "\\n";
"""


@pytest.fixture
def workplace():
    place = Workplace()
    site = place.path / "site"
    site.mkdir()
    (site / "index.php").write_text(TELL)
    (site / "page.php").write_text(TELL)
    (site / "style.css").write_text("body { color: red }\n")
    yield place
    place.remove()


@pytest.fixture
def site(workplace):
    return workplace.path / "site"


@pytest.fixture
def board(workplace):
    board = Board(workplace)
    yield board
    board.stop()


@pytest.fixture
def fpm(workplace, board):
    fpm = PhpFpm(workplace)
    board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path=str(fpm.socket))
    yield fpm
    fpm.stop()


@pytest.fixture
def serve(workplace):
    started = []

    def start(body, **options):
        started.append(Httpd(workplace, body, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


def told(reply):
    assert reply.status == 200, reply.text
    return dict(line.split("=", 1) for line in reply.text.splitlines())


@pytest.mark.parametrize("mpm", MPMS)
def test_a_request_reaches_php(serve, fpm, site, mpm):
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n", mpm=mpm)
    seen = told(httpd.post("/page.php/more/x?a=b%20c", "hello", headers={"Proxy": "evil"}))
    assert seen == {"SCRIPT_FILENAME": f"{site}/page.php", "SCRIPT_NAME": "/page.php",
                    "PATH_INFO": "/more/x", "REQUEST_URI": "/page.php/more/x?a=b%20c",
                    "DOCUMENT_ROOT": str(site), "QUERY_STRING": "a=b%20c", "HTTP_PROXY": "-",
                    "REQUEST_METHOD": "POST", "BODY": "hello"}
    seen = told(httpd.get("/"))
    assert seen["SCRIPT_NAME"] == "/index.php" and seen["REQUEST_URI"] == "/"


def test_without_static_names_decide(serve, fpm, site):
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n"
                  f"<Location /app>\nContainerRoute alpha/web docroot={site} fallback=/index.php\n"
                  "</Location>\n")
    assert httpd.get("/style.css").status == 403  # PHP-FPM's limit_extensions
    assert httpd.get("/none.php").status == 404
    assert told(httpd.get("/app/some/permalink"))["SCRIPT_NAME"] == "/index.php"


def test_static_files_and_index_and_fallback(serve, fpm, site):
    (site / "dir").mkdir()
    (site / "dir" / "index.html").write_text("<p>dir\n")
    (site / "both").mkdir()
    (site / "both" / "index.html").write_text("html\n")
    (site / "both" / "index.php").write_text(TELL)
    (site / "a b").mkdir()
    (site / "empty").mkdir()
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={site} fallback=/index.php\n")
    css = httpd.get("/style.css")
    assert css.status == 200 and css.text == "body { color: red }\n"
    assert css.headers["Content-Type"] == "text/css" and css.headers["Accept-Ranges"] == "bytes"
    etag, date = css.headers["ETag"], css.headers["Last-Modified"]
    head = httpd.request("HEAD", "/style.css")
    assert head.body == b"" and head.headers["Content-Length"] == "20"
    assert httpd.get("/style.css", headers={"If-None-Match": etag}).status == 304
    assert httpd.get("/style.css", headers={"If-Modified-Since": date}).status == 304
    part = httpd.get("/style.css", headers={"Range": "bytes=0-3"})
    assert part.status == 206 and part.text == "body"
    refused = httpd.post("/style.css", "x")
    assert refused.status == 405 and "GET" in refused.headers["Allow"]
    assert httpd.get("/dir/").text == "<p>dir\n"
    moved = httpd.get("/a%20b?x=y")
    assert moved.status == 301
    assert moved.headers["Location"] == f"http://status.test:{httpd.port}/a%20b/?x=y"
    assert told(httpd.get("/both/"))["SCRIPT_NAME"] == "/both/index.php"
    for path in ("/2026/hello", "/empty/", "/style.css/", "/none.php"):
        seen = told(httpd.get(path))
        assert seen["SCRIPT_NAME"] == "/index.php" and seen["REQUEST_URI"] == path
    assert told(httpd.get("/page.php/x"))["PATH_INFO"] == "/x"


def test_large_file_is_whole(serve, fpm, site):
    data = os.urandom(3 << 20)
    (site / "large.bin").write_bytes(data)
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={site}\n")
    for _ in range(5):
        assert httpd.get("/large.bin").body == data


def test_without_fallback_nothing_is_404(serve, fpm, site):
    (site / "empty").mkdir()
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={site}\n")
    for path in ("/none", "/none.php", "/empty/"):
        assert httpd.get(path).status == 404, path


def test_static_never_leads_outside_and_never_shows_source(serve, fpm, site, workplace):
    secret = workplace.path / "secret.txt"
    secret.write_text("SECRET\n")
    os.symlink(secret, site / "link.txt")
    os.symlink(workplace.path, site / "up")
    os.symlink("style.css", site / "alias.css")
    os.mkfifo(site / "pipe.txt")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(site / "socket.txt"))
    for name in ("x.PHP", "x.phtml", "x.Phar", "x.php5", "x.php.bak", "x.php~"):
        (site / name).write_text("<?php SECRET ?>\n")
    for name in (".env", ".htaccess"):
        (site / name).write_text("SECRET\n")
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("SECRET\n")
    (site / ".git" / "x.php").write_text("<?php echo 'SECRET';\n")
    (site / ".well-known").mkdir()
    (site / ".well-known" / "token").write_text("open\n")
    (site / "unreadable.txt").write_text("SECRET\n")
    (site / "unreadable.txt").chmod(0)
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={site}\n")
    for path in ("/link.txt", "/up/secret.txt", "/up/", "/alias.css", "/pipe.txt", "/socket.txt",
                 "/x.PHP", "/x.phtml", "/x.Phar", "/x.php5", "/x.php.bak", "/x.php~", "/.env",
                 "/.htaccess", "/.git/config", "/.git/x.php", "/..%2fsecret.txt",
                 "/../secret.txt", "/%2e%2e/secret.txt", "/unreadable.txt"):
        reply = httpd.get(path)
        assert reply.status in (400, 403, 404), path
        assert b"SECRET" not in reply.body, path
    assert httpd.get("/.well-known/token").text == "open\n"
    listener.close()


def test_paths_that_two_readers_see_differently_are_refused(serve, fpm, site):
    httpd = serve(f"AllowEncodedSlashes NoDecode\nContainerRoute alpha/web docroot={site}\n")
    for path in ("/page.php%3fx.css", "/page.php%0a", "/page.php%2fx", "/page.php%252fx",
                 "/page.php%7f"):
        assert httpd.get(path).status == 400, path
    assert httpd.get("/page.php%00").status in (400, 404)


def test_host_side_rules_of_a_tenant_do_not_count(serve, fpm, site):
    """Neither .htaccess nor a file of the same name on the host changes a routed request."""
    (site / ".htaccess").write_text("SetHandler server-status\nRequire all denied\n")
    httpd = serve(f"DocumentRoot {site}\n<Directory {site}>\nAllowOverride All\n</Directory>\n"
                  f"AddHandler server-status .php\nContainerRoute alpha/web docroot={site} "
                  f"static={site}\n")
    assert told(httpd.get("/page.php"))["SCRIPT_NAME"] == "/page.php"
    assert httpd.get("/style.css").status == 200


def test_access_rules_hold_for_path_index_and_fallback(serve, fpm, site):
    (site / "private").mkdir()
    (site / "private" / "index.php").write_text(TELL)
    (site / "private" / "style.css").write_text("x\n")
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={site} fallback=/index.php\n"
                  "<Location /private/index.php>\nRequire all denied\n</Location>\n"
                  "<Location /closed>\nRequire all denied\n</Location>\n")
    assert httpd.get("/private/").status == 403
    assert httpd.get("/private/style.css").status == 200
    assert httpd.get("/closed/permalink").status == 403
    assert httpd.get("/open/permalink").status == 200


def test_other_locations_stay_what_they_are(serve, fpm, site, workplace):
    (workplace.path / "htdocs" / "own.txt").write_text("own\n")
    httpd = serve(f"""
ContainerRoute alpha/web docroot={site}
Alias /own {workplace.path}/htdocs
Redirect /old /page.php
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
<Location /off>
    ContainerRoute off
</Location>
""")
    assert httpd.get("/own/own.txt").text == "own\n"
    assert httpd.get("/old").status == 302
    assert "Scoreboard" in httpd.get("/container-status").text
    assert "Apache Server Status" in httpd.get("/server-status").text
    assert httpd.get("/off").status == 404
    assert told(httpd.get("/page.php"))["SCRIPT_NAME"] == "/page.php"
    assert httpd.request("OPTIONS", "*").status == 200
    assert httpd.request("TRACE", "/page.php").status in (200, 405)


ROUTED = ["sleeping", "starting", "running", "working", "limited", "unhealthy", "stopping",
          "backoff"]


@pytest.mark.parametrize("state", ROUTED)
def test_states_whose_connections_wait_in_the_backlog(serve, fpm, site, board, state):
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n")
    board.slot(0, tenant="alpha", service="web", state=state, endpoint_kind=1,
               endpoint_path=str(fpm.socket))
    told(httpd.get("/"))


@pytest.mark.parametrize("state", ["stopped", "failed", "exited", "paused"])
def test_states_that_are_503(serve, fpm, site, board, state):
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n")
    board.slot(0, tenant="alpha", service="web", state=state, endpoint_kind=1,
               endpoint_path=str(fpm.socket), message="<b>detail of the operator")
    for _ in range(20):
        reply = httpd.get("/")
        assert reply.status == 503 and reply.headers["Retry-After"] == "60"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "alpha" not in reply.text and "detail" not in reply.text
    lines = [line for line in httpd.log().splitlines() if "ContainerRoute alpha/web" in line]
    assert 1 <= len(lines) <= 3 and f"not running: {state}" in lines[0]


def test_no_supervisor_stale_unknown_and_no_endpoint(serve, workplace, site):
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n")

    def refused(reason):
        reply = httpd.get("/page.php")
        assert reply.status == 503 and reply.headers["Retry-After"], reply.text
        assert reason in httpd.log(), httpd.log()

    refused("no supervisor is running")
    board = Board(workplace)
    try:
        refused("no such service")
        board.slot(0, tenant="alpha", service="web")
        refused("no x-listen")
        board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path="/a|b")
        assert httpd.get("/page.php").status == 503
        board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path="/x.sock")
        board.tell(freeze=True)
        time.sleep(5.5)
        refused("stale scoreboard")
    finally:
        board.stop()


def test_error_document_of_the_server_is_used(serve, site):
    httpd = serve(f'ErrorDocument 503 "our own words"\nContainerRoute alpha/web docroot={site}\n')
    reply = httpd.get("/page.php")
    assert reply.status == 503 and reply.text == "our own words" and reply.headers["Retry-After"]


def test_a_failed_connect_does_not_disable_the_route(serve, fpm, site):
    """mod_proxy would keep a defined worker out for 60 s."""
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n")
    told(httpd.get("/"))
    fpm.stop()
    for _ in range(3):
        reply = httpd.get("/")
        assert reply.status == 503 and reply.headers["Retry-After"] == "5"
    fpm.start()
    told(httpd.get("/"))


def test_the_slot_is_read_at_each_request(serve, fpm, site, board, workplace):
    """A service that moved to another slot and socket is found there."""
    httpd = serve(f"ContainerRoute alpha/web docroot={site}\n")
    told(httpd.get("/"))
    second = PhpFpm(workplace, "second")
    try:
        fpm.stop()
        board.slot(0, tenant="beta", service="web", endpoint_kind=1, endpoint_path="/nowhere")
        board.slot(3, tenant="alpha", service="web", endpoint_kind=1,
                   endpoint_path=str(second.socket))
        told(httpd.get("/"))
    finally:
        second.stop()


def test_http_services(serve, board, workplace, site):
    backend = HttpBackend(workplace)
    board.slot(0, tenant="alpha", service="app", endpoint_kind=2, endpoint_path=str(backend.socket))
    try:
        httpd = serve(f"ContainerRoute alpha/app static={site}\n")
        head = httpd.get("/a%20b/c?x=%41", headers={"Proxy": "evil"}).text
        assert head.startswith("GET /a%20b/c?x=%41 HTTP/1.1\r\n")
        assert f"Host: status.test:{httpd.port}\r\n" in head and "evil" not in head
        assert httpd.get("/style.css").headers["Content-Type"] == "text/css"
        assert httpd.get("/page.php").text.startswith("GET /page.php ")
        assert httpd.get("/").text.startswith("GET / ")
    finally:
        backend.stop()


def test_missing_static_directory(serve, fpm, site, workplace):
    gone = workplace.path / "gone"
    httpd = serve(f"ContainerRoute alpha/web docroot={site} static={gone}\n")
    assert httpd.get("/").status == 503
    assert "cannot be opened without following links" in httpd.log()
    os.symlink(site, gone)
    assert httpd.get("/").status == 503
    gone.unlink()
    site.rename(gone)
    assert httpd.get("/style.css").status == 200
