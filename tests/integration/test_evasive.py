# SPDX-License-Identifier: Apache-2.0
"""A configuration of mod_evasive, as it stands: what its words mean, and what they no longer do."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from private_httpd import MPMS, ROOT
from test_door import client, serve, statuses, workplace  # noqa: F401 (fixtures)

LONG = "DOSPageInterval 3600\nDOSSiteInterval 3600\nDOSBlockingPeriod 3600\n"


def import_file(tmp_path, text):
    (tmp_path / "evasive.conf").write_text(text)
    done = subprocess.run([ROOT / "scripts/throttle-import", tmp_path / "evasive.conf"], text=True,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_missing_words_have_the_usual_values_and_conditions_on_its_name_hold(tmp_path):
    code, said = import_file(tmp_path, "<IfModule mod_evasive20.c>\nDOSPageCount 7\n</IfModule>\n")
    assert code == 0, said
    assert "server: evasive-page 7/1s per=page block=10s,renew status-code=403 loopback" in said
    assert "server: evasive-site 50/1s per=client block=10s,renew status-code=403 loopback" in said


@pytest.mark.parametrize("line", ["DOSPageCount 0", "DOSSiteCount -1", "DOSPageInterval x", "DOSSiteInterval 1s",
                                  "DOSBlockingPeriod 99999999999", "DOSHashTableSize 0", "DOSHTTPStatus 200",
                                  "DOSEnabled maybe", "DOSWhitelist 1.2.3", "DOSWhitelistUri ("])
def test_a_wrong_value_is_an_error_that_names_it(tmp_path, line):
    code, said = import_file(tmp_path, line + "\n")
    assert code == 1 and line.split()[1] in said, said


@pytest.mark.parametrize("word", ["DOSSystemCommand", "DOSEmailNotify", "DOSLogDir", "DOSBlocklistUri"])
def test_what_is_not_done_is_said(tmp_path, word):
    code, said = import_file(tmp_path, f'DOSPageCount 2\n{word} "touch /x"\n')
    assert code == 0 and said.count(f"{word} at {tmp_path}/evasive.conf:2 has no effect") == 1, said


def test_graceful_restarts_keep_words_and_counts(serve):
    httpd = serve(f"<IfModule mod_evasive20.c>\nDOSSiteCount 3\nDOSPageCount 9\n{LONG}</IfModule>\n")
    assert statuses(httpd, 2) == [200, 200]
    for _ in range(3):
        httpd.graceful()
    assert statuses(httpd, 3) == [200, 403, 403]


def test_clients_and_pages_that_are_spared(serve):
    httpd = serve(f"DOSPageCount 1\nDOSHTTPStatus 429\n{LONG}DOSWhitelist 192.0.*.* 2001:db8::/32\n"
                  "DOSWhitelistUri /b.*\n")
    assert statuses(httpd, 3, headers=client("192.0.9.9")) == [200] * 3
    assert statuses(httpd, 3, headers=client("2001:db8::1")) == [200] * 3
    assert statuses(httpd, 3, path="/b.html") == [200] * 3
    assert statuses(httpd, 2) == [200, 429]


@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("processes", [1, 2, 16])
def test_exactly_so_many_of_parallel_requests(serve, mpm, processes):
    per_child = "" if mpm == "prefork" else f"ThreadsPerChild 4\nMaxRequestWorkers {4 * processes}\n"
    httpd = serve(f"ServerLimit {max(processes, 1)}\nStartServers {processes}\n{per_child}DOSPageCount 11\n{LONG}",
                  mpm=mpm)
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda _: statuses(httpd, 1)[0], range(40)))
    assert seen.count(200) == 11 and seen.count(403) == 29


@pytest.mark.parametrize("mpm", MPMS)
def test_the_peers_own_test(serve, workplace, tmp_path, mpm):
    (workplace.path / "htdocs" / "index.html").write_text("index")
    # The tests' own network leads nowhere; Debian's mirror is in the machine's (setns(2)).
    subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % os.getppid(), "apt-get", "download", "-qq",
                    "libapache2-mod-evasive"], cwd=tmp_path, check=True, timeout=120)
    subprocess.run(["dpkg-deb", "-x", next(tmp_path.glob("*.deb")), tmp_path / "x"], check=True, timeout=60)
    httpd = serve(f"StartServers 3\nDOSPageCount 2\n{LONG}", mpm=mpm)
    script = (tmp_path / "x/usr/share/doc/libapache2-mod-evasive/examples/test.pl").read_text()
    script = script.replace(r"HTTP/1.0\n\n", r"HTTP/1.0\r\n\r\n").replace(":80", f":{httpd.port}")
    said = subprocess.run(["perl", "-"], input=script, text=True, capture_output=True, check=True, timeout=120).stdout
    seen = [line.split()[1] for line in said.splitlines()]
    assert seen == ["200"] * 2 + ["403"] * 99
