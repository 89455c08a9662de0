# SPDX-License-Identifier: Apache-2.0
"""scripts/bench door: throttling, beside none and beside Debian's mod_evasive, each in an httpd of its own.

The same small file is asked for in turns. No limit is reached while requests a second are measured: what is compared is the
counting. mod_evasive comes out of Debian's package, which is unpacked and not installed.
"""
import contextlib
import http.client
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "integration"))

from load import Broken, Side, command, family, in_turns, uninterrupted  # noqa: E402
from part_board import anonymous_bytes  # noqa: E402
from private_httpd import Httpd, Workplace  # noqa: E402

CLIENTS = 8
PACKAGE, LIBRARY = "libapache2-mod-evasive", "usr/lib/apache2/modules/mod_evasive20.so"
WORKERS = "StartServers 4\nServerLimit 4\nThreadsPerChild 25\nMaxRequestWorkers 100\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n"
ASKED = 101


@dataclass(frozen=True)
class Size:
    rounds: int
    seconds: int
    pages: int


FULL = Size(rounds=7, seconds=2, pages=100_000)
QUICK = Size(rounds=3, seconds=1, pages=20_000)


def ours(page, site, block):
    return (f"{WORKERS}ContainerThrottleRule page {page}/1s per=page loopback block={block}s,renew\n"
            f"ContainerThrottleRule site {site}/1s loopback block={block}s,renew\n")


def theirs(library, page, site, block):
    return (f"{WORKERS}LoadModule evasive20_module {library}\nDOSPageCount {page}\nDOSSiteCount {site}\n"
            f"DOSPageInterval 1\nDOSSiteInterval 1\nDOSBlockingPeriod {block}\nDOSLogDir /nonexistent\n")


def unpack(directory):
    """Debian's mod_evasive, without installing it."""
    for words in (["apt-get", "download", PACKAGE], ["sh", "-c", f"dpkg-deb -x {PACKAGE}_*.deb ."]):
        done = subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Broken(f"{' '.join(words)}: {done.stderr.strip()}")
    return Path(directory) / LIBRARY


class Alone(Httpd):
    """Without mod_container."""

    def base(self):
        return "\n".join(line for line in super().base().splitlines() if "ontainer" not in line) + "\n"


@contextlib.contextmanager
def httpd(kind, body):
    place = Workplace()
    (place.path / "htdocs" / "a.html").write_text("a small file\n")
    server = kind(place, body)
    try:
        yield server.start()
    finally:
        with uninterrupted():
            server.stop()
            place.remove()


def ask(server, paths):
    """How many of these are answered with 200 or 404, on one connection while that lasts."""
    passed = 0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        for path in paths:
            connection.request("GET", path, headers={"Host": "status.test"})
            reply = connection.getresponse()
            reply.read()
            passed += reply.status in (200, 404)
    return passed


def growth(server, paths):
    before = anonymous_bytes(family(server.process.pid)[1:])
    ask(server, paths)
    return max(0, anonymous_bytes(family(server.process.pid)[1:]) - before)


def side(server):
    return Side(f"http://127.0.0.1:{server.port}/a.html", "status.test", httpd=server.process.pid)


def run(size):
    with tempfile.TemporaryDirectory(prefix="mc-bench-") as directory:
        library = unpack(directory)
        never = (60_000, 60_000, 1)
        with httpd(Alone, WORKERS) as none, httpd(Httpd, ours(*never)) as mine, \
                httpd(Alone, theirs(library, *never)) as peer:
            rows = [in_turns("against no throttling", side(mine), side(none), CLIENTS, size.rounds, size.seconds),
                    in_turns("mod_evasive against none", side(peer), side(none), CLIENTS, size.rounds, size.seconds),
                    in_turns("against mod_evasive", side(mine), side(peer), CLIENTS, size.rounds, size.seconds)]
            pages = [f"/{'p' * 200}{number}" for number in range(size.pages)]
            memory = {"mod_container": growth(mine, pages), "mod_evasive": growth(peer, pages)}
        passed = {}
        for name, kind, body in (("mod_container", Httpd, ours(2, 50, 10)),
                                 ("mod_evasive", Alone, theirs(library, 2, 50, 10))):
            with httpd(kind, body) as server:
                # As mod_evasive's test.pl: each on a connection of its own.
                passed[name] = sum(ask(server, [f"/a.html?{number}"]) for number in range(ASKED))
        return {"rates": rows, "pages": size.pages, "growth_bytes": memory, "asked": ASKED, "passed": passed}


def show(parts):
    print(f"Requests a second of a small file, {CLIENTS} clients, medians; rules that nobody reaches")
    for row in parts["rates"]:
        mine, peer = row["ours"], row["theirs"]
        print(f"  {row['name']:<28}{mine['requests_per_second']:>12,.0f}{peer['requests_per_second']:>12,.0f}"
              f"{row['ratio']:>8.3f}   ({row['ratio_min']:.3f} - {row['ratio_max']:.3f})"
              f"   CPU {mine['cpu_usec_per_request']['httpd']:.1f} and {peer['cpu_usec_per_request']['httpd']:.1f} us")
    print(f"\nMemory of httpd's children after {parts['pages']:,} different pages")
    for name, grown in parts["growth_bytes"].items():
        print(f"  {name:<28}{grown // 1024:>12,} KiB more")
    print(f"\nOf {parts['asked']} requests of one page, of which 2 a second are allowed, passed")
    for name, count in parts["passed"].items():
        print(f"  {name:<28}{count:>12}")


if __name__ == "__main__":
    command("door", "Measures throttling beside none and beside mod_evasive.", run, show, FULL, QUICK)
