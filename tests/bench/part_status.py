# SPDX-License-Identifier: Apache-2.0
"""/container-status?auto of one httpd against /server-status?auto of another, which has no mod_container.

With it, mod_status would do our section of its page in the time that counts as its own.
"""
import time

from load import Side, in_turns, uninterrupted
from private_httpd import Board, Httpd, Workplace

CLIENTS = 8
FEW, MANY = 2, 100


class PeerHttpd(Httpd):
    def base(self):
        lines = super().base().splitlines()
        return "\n".join(line for line in lines if "ontainer" not in line) + "\n"


def page(handler, extra=""):
    return f'<Location "/{handler}">\n    SetHandler {handler}\n    {extra}\n    Require local\n</Location>\n'


def fill(board, slots):
    """Slots like those of PHP tenants: every figure is known."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    for i in range(slots):
        board.slot(i, state="running", tenant=f"tenant{i:03}", service="web", id=f"tenant{i:03}-web-1",
                   pid=4000 + i, image="host", endpoint_kind=1, endpoint_path=f"/run/c/tenant{i:03}.sock",
                   address_ipv4=f"10.203.0.{i + 2}", address_ipv6=f"fd4d:6f64:43::{i + 2:x}",
                   started_realtime_usec=time.time_ns() // 1000, started_boottime_usec=now,
                   state_since_boottime_usec=now, sampled_boottime_usec=now, id_base=(1 << 30) + i * 65536,
                   cpu_usage_usec=1234567 * i, cpu_percent_milli=1500 + i, cpu_limit_milli=500,
                   memory_bytes=20_000_000 + i, memory_limit_bytes=128 << 20, memory_peak_bytes=30_000_000,
                   tasks=3, tasks_limit=32, io_read_bytes=4096 * i, io_write_bytes=512 * i, io_read_rate=0,
                   io_write_rate=0, net_receive_bytes=1000 * i, net_transmit_bytes=2000 * i,
                   net_receive_rate=10, net_transmit_rate=20, oom_kills=0)


def row(ours, peer, slots, query, rounds):
    sides = [Side(f"http://127.0.0.1:{httpd.port}{path}", "status.test", httpd=httpd.process.pid)
             for httpd, path in ((ours, f"/container-status?{query}"), (peer, "/server-status?auto"))]
    return {**in_turns(f"?{query}, {slots} containers", *sides, CLIENTS, rounds),
            "ours_bytes": len(ours.get(f"/container-status?{query}").body),
            "theirs_bytes": len(peer.get("/server-status?auto").body)}


def run(size):
    places = [Workplace(), Workplace()]
    started = []
    try:
        board = Board(places[0], MANY)
        started.append(board)
        ours = Httpd(places[0], page("container-status", "ContainerStatus On"))
        peer = PeerHttpd(places[1], page("server-status"))
        started += [ours, peer]
        ours.start()
        peer.start()
        fill(board, FEW)
        rows = [row(ours, peer, FEW, "auto", size.status_rounds)]
        fill(board, MANY)
        rows += [row(ours, peer, MANY, query, size.status_rounds) for query in ("auto", "auto&limit=10000")]
        return rows
    finally:
        with uninterrupted():
            for thing in reversed(started):
                thing.stop()
            for place in places:
                place.remove()
