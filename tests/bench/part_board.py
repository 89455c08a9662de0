# SPDX-License-Identifier: Apache-2.0
"""scripts/bench board: the status page in all its formats, against mod_status of the same httpd with as many slots.

Both handlers are asked in turns, so that what disturbs the machine disturbs both: only the ratios mean anything. The
board is alive: every second all containers are written anew, as a supervisor's sampler does, so that nothing is kept
longer than on a real machine.
"""
import contextlib
import http.client
import socket
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "integration"))

from load import Side, command, cpu_usec, family, in_turns, uninterrupted  # noqa: E402
from part_status import page  # noqa: E402
from private_httpd import Board, Httpd, Workplace  # noqa: E402

CLIENTS = 8
CHILDREN, THREADS = 16, 64  # 1,024 slots of mod_status
CONTAINERS = 1000
FEWER, MORE = 2000, 10000
COST_REQUESTS = 10
QUERY_LIMIT = 10000
FORMATS = [("JSON", "format=json"), ("CSV", "format=csv"), ("OpenMetrics", "format=openmetrics")]
# mod_status' page has our section, which is cheap: it is left in.
PEERS = [("?auto", "auto", "/server-status?auto"), ("HTML, as it comes", "", "/server-status"),
         (f"HTML, {CONTAINERS:,} rows", f"limit={CONTAINERS}", "/server-status")]


@dataclass(frozen=True)
class Size:
    rounds: int
    seconds: int
    requests: int


FULL = Size(rounds=5, seconds=2, requests=1000)
QUICK = Size(rounds=2, seconds=1, requests=200)


class WideHttpd(Httpd):
    """As many workers as mod_status shall show, all of them started."""

    def base(self):
        lines = super().base().replace("StartServers 1\n", "")
        return lines + f"""ServerLimit {CHILDREN}
StartServers {CHILDREN}
ThreadsPerChild {THREADS}
MaxRequestWorkers {CHILDREN * THREADS}
MinSpareThreads {CHILDREN * THREADS}
MaxSpareThreads {CHILDREN * THREADS}
MaxKeepAliveRequests 0
KeepAliveTimeout 60
"""


def figures():
    """A container of which every figure is known."""
    now, clock = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, time.time_ns() // 1000
    slot = dict(state="running", tenant="tenant", service="web", id="tenant-web-1", pid=4000,
                image="registry.example/php:8.2-fpm", endpoint_kind=1, endpoint_path="/run/c/tenant.sock",
                address_ipv4="10.203.117.212", address_ipv6="fd4d:6f64:43::1a2b", started_realtime_usec=clock,
                started_boottime_usec=now, state_since_boottime_usec=now, sampled_boottime_usec=now,
                detail_boottime_usec=now, id_base=1 << 30, cpu_usage_usec=1234567890, cpu_user_usec=1000000000,
                cpu_system_usec=234567890, cpu_periods=10_000, cpu_throttled_periods=123, cpu_throttled_usec=7_654_321,
                cpu_percent_milli=1500, cpu_limit_milli=500, cpu_throttled_rate=1234, oom_kills=0,
                memory_bytes=20_000_000, memory_limit_bytes=128 << 20, memory_peak_bytes=30_000_000,
                memory_anon_bytes=12_000_000, memory_file_bytes=6_000_000, memory_kernel_bytes=2_000_000,
                swap_bytes=4096, swap_limit_bytes=64 << 20, memory_limit_hits=7, page_faults=100_000,
                major_page_faults=50, tasks=3, tasks_limit=32, tasks_limit_hits=0, io_read_bytes=123_456_789,
                io_write_bytes=12_345_678, io_read_rate=4096, io_write_rate=512, io_read_ops=30_000,
                io_write_ops=20_000, io_read_ops_rate=1, io_write_ops_rate=2, io_wait_usec=1_234_567,
                net_receive_bytes=10_000_000, net_transmit_bytes=200_000_000, net_receive_packets=20_000,
                net_transmit_packets=40_000, net_receive_drops=0, net_transmit_drops=0, net_receive_rate=10,
                net_transmit_rate=20, disk_used_bytes=500 << 20, disk_limit_bytes=1 << 30, requests=10_000,
                request_bytes_in=500_000, request_bytes_out=50_000_000, requests_refused=3,
                last_request_realtime_usec=clock, requests_in_flight=1, requests_rate_milli=1200,
                request_bytes_out_rate=60_000, latency_p50_usec=12_000, latency_p95_usec=80_000,
                latency_p99_usec=210_000, mails=12, last_mail_realtime_usec=clock, faults=4, exit_code=0,
                exit_realtime_usec=clock)
    for name in ("cpu", "memory", "io"):
        slot.update({f"psi_{name}": 12, f"psi_{name}_full_avg10_centi": 3, f"psi_{name}_some_total_usec": 5_000_000,
                     f"psi_{name}_full_total_usec": 1_000_000})
    slot.update({f"status_{n}xx": 2000 for n in range(1, 6)})
    slot.update(device0_major=253, device0_minor=0, device0_read_bytes=123_456_789, device0_write_bytes=12_345_678,
                device0_read_ops=30_000, device0_write_ops=20_000, device0_wait_usec=1_234_567)
    return slot


def fill(board, count):
    board.slot(0, copies=count - 1, **figures())
    points = [[1500 + 10 * i, 20_000 + i, 4096 * i, 1000 + i] for i in range(60)]
    board.tell(history=0, ring=0, step_msec=1000, points=points, copies=count - 1)


class Sampler:
    """Writes all slots once a second while something is measured."""

    def __init__(self, board, count):
        self.board, self.count = board, count
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        while not self.over.wait(1):
            self.board.slot(0, copies=self.count - 1, **figures())

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Bench:
    def __init__(self, httpd, size):
        self.httpd, self.size = httpd, size

    def side(self, path):
        return Side(f"http://127.0.0.1:{self.httpd.port}{path}", "status.test", httpd=self.httpd.process.pid)

    def row(self, name, ours, theirs):
        paths = [f"/container-status?{ours}", theirs]
        return {**in_turns(name, *(self.side(path) for path in paths), CLIENTS, self.size.rounds, self.size.seconds),
                "ours_bytes": len(self.httpd.get(paths[0]).body), "theirs_bytes": len(self.httpd.get(paths[1]).body)}

    def first_byte_ms(self, query, times=30):
        """From the request to the first byte of the answer, on a connection that is open: the lowest and the median of
        some. On a busy machine the median tells how long the client waited for a CPU."""
        waits = []
        connection = http.client.HTTPConnection("127.0.0.1", self.httpd.port, timeout=30)
        with contextlib.closing(connection):
            for _ in range(times):
                if connection.sock is None:
                    connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                request = f"GET /container-status?{query} HTTP/1.1\r\nHost: status.test\r\n\r\n".encode()
                before = time.perf_counter()
                connection.sock.sendall(request)
                connection.sock.recv(1, socket.MSG_PEEK)
                waits.append((time.perf_counter() - before) * 1000)
                reply = http.client.HTTPResponse(connection.sock, method="GET")
                reply.begin()
                reply.read()
        return {"lowest": min(waits), "median": statistics.median(waits)}

    def memory(self, query):
        """How much the children grew over so many requests, and while one waits for its client."""
        children = family(self.httpd.process.pid)[1:]
        ask(self.httpd, query, CLIENTS * CHILDREN)  # what is made once
        before = anonymous_bytes(children)
        ask(self.httpd, query, self.size.requests)
        return {"requests": self.size.requests, "growth_bytes": max(0, anonymous_bytes(children) - before)}

    def cost_usec(self, query):
        """CPU time of httpd for one request: enough of them for the clock of the kernel's accounts."""
        ask(self.httpd, query, 1, clients=1)
        before = cpu_usec(self.httpd.process.pid)
        ask(self.httpd, query, COST_REQUESTS, clients=1)
        return (cpu_usec(self.httpd.process.pid) - before) / COST_REQUESTS


def ask(httpd, query, times, clients=CLIENTS):
    def some():
        connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
        with contextlib.closing(connection):
            for _ in range(times // clients):
                connection.request("GET", f"/container-status?{query}", headers={"Host": "status.test"})
                connection.getresponse().read()

    threads = [threading.Thread(target=some) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def anonymous_bytes(pids):
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                total += int(line.split()[1]) * 1024
    return total


def measure(bench, board):
    fill(board, CONTAINERS)
    html = f"limit={CONTAINERS}"
    queries = ["auto", "", html] + [query for _, query in FORMATS]
    with Sampler(board, CONTAINERS):
        peers = [bench.row(*peer) for peer in PEERS]
        formats = [bench.row(f"{name} against HTML, {CONTAINERS:,} rows", query, f"/container-status?{html}")
                   for name, query in FORMATS]
        first = {query: bench.first_byte_ms(query) for query in queries}
        memory = {query: bench.memory(query) for query in queries}
    scaled = [f"limit={QUERY_LIMIT}", "auto&limit=10000"] + [query for _, query in FORMATS]
    fill(board, FEWER)  # answers that are too large to be kept
    few = [bench.cost_usec(query) for query in scaled]
    fill(board, MORE)
    many = [bench.cost_usec(query) for query in scaled]
    return {"peers": peers, "formats": formats, "first_byte_ms": first, "memory": memory,
            "cpu_usec": {query: {FEWER: few[i], MORE: many[i]} for i, query in enumerate(scaled)}}


def run(size):
    place = Workplace()
    started = []
    try:
        board = Board(place, MORE)
        started.append(board)
        httpd = WideHttpd(place, page("container-status", "ContainerStatus On") + page("server-status"))
        started.append(httpd)
        httpd.start()
        time.sleep(2)  # all children
        return measure(Bench(httpd, size), board)
    finally:
        with uninterrupted():
            for thing in reversed(started):
                thing.stop()
            place.remove()


def pairs(title, ours, theirs, rows):
    print(f"\n{title}\n  {'requests/s, medians':<36}{ours:>14}{theirs:>14}{'ratio':>8}   (lowest - highest)")
    for row in rows:
        mine, peer = row["ours"], row["theirs"]
        cost, peer_cost = mine["cpu_usec_per_request"]["httpd"], peer["cpu_usec_per_request"]["httpd"]
        print(f"  {row['name']:<36}{mine['requests_per_second']:>14,.0f}{peer['requests_per_second']:>14,.0f}"
              f"{row['ratio']:>8.2f}   ({row['ratio_min']:.2f} - {row['ratio_max']:.2f})"
              f"   {row['ours_bytes']:,} and {row['theirs_bytes']:,} bytes")
        print(f"  {'  CPU of httpd, us a request':<36}{cost:>14,.0f}{peer_cost:>14,.0f}{peer_cost / cost:>8.2f}")


def show(parts):
    pairs(f"{CONTAINERS:,} containers, all figures known, against mod_status with {CHILDREN * THREADS:,} slots",
          "mod_container", "mod_status", parts["peers"])
    pairs("Formats", "the format", "HTML", parts["formats"])
    print("\nFirst byte on an open connection, lowest and median, ms; memory of all children after that many requests more")
    for query, wait in parts["first_byte_ms"].items():
        grown = parts["memory"][query]
        print(f"  ?{query:<34}{wait['lowest']:>8.2f}{wait['median']:>8.2f}{grown['growth_bytes'] // 1024:>12,} KiB for {grown['requests']} requests")
    print(f"\nCPU of httpd for one answer about {FEWER:,} and {MORE:,} containers, us")
    for query, cost in parts["cpu_usec"].items():
        print(f"  ?{query:<34}{cost[FEWER]:>10,.0f}{cost[MORE]:>12,.0f}{cost[MORE] / cost[FEWER]:>8.1f} times")


if __name__ == "__main__":
    command("board", "Measures the status page beside mod_status of the same httpd.", run, show, FULL, QUICK)
