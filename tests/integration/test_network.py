# SPDX-License-Identifier: Apache-2.0
"""A tenant reaches the world outside, and nobody else: the host and other tenants do not answer, nor hear."""
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from private_httpd import wait_until

INSIDE = Path(__file__).parent / "inside.py"
OUTSIDE4, OUTSIDE6, METADATA = "192.0.2.2", "2001:db8::2", "169.254.169.254"
HOST4, HOST6 = "192.0.2.1", "2001:db8::1"
# Answers who asks, on TCP; writes what comes in, on UDP.
SERVER = """
import select, socket, sys
tcp = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    for one in select.select([tcp, udp], [], [])[0]:
        if one is udp:
            print(*udp.recvfrom(1500)[0].decode().split(), flush=True)
        else:
            peer, address = tcp.accept()
            peer.sendall(address[0].encode())
            peer.close()
"""
ASK = """
def ask(address, port, data=b""):
    try:
        with socket.create_connection((address, port), timeout=1) as peer:
            return peer.recv(100).decode().replace("::ffff:", "")
    except OSError as error:
        return "timeout" if isinstance(error, socket.timeout) else name(error.errno)
def shout(address, port, text, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return attempt(probe.sendto, text.encode(), (address, port))
"""


def namespace(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


class Place:
    """A network namespace, as long as a process lives in it."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "300"])
        own = namespace("self")
        wait_until(lambda: namespace(self.process.pid) != own, "a network namespace")
        self.servers = []
        self.run("ip link set lo up")

    @property
    def path(self):
        return f"/proc/{self.process.pid}/ns/net"

    def command(self, *words):
        return ["nsenter", f"--net={self.path}", *words]

    def run(self, text):
        done = subprocess.run(self.command("sh", "-ec", text), capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout

    def ask(self, script):
        text = INSIDE.read_text() + ASK + script
        done = subprocess.run(self.command(sys.executable, "-c", text), capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def serve(self, port, log):
        """A server on all addresses of the place; what it hears by UDP is in the file log."""
        with open(log, "ab") as out:
            command = self.command(sys.executable, "-c", SERVER, str(port))
            self.servers.append(subprocess.Popen(command, stdout=out, stderr=out))
        wait_until(lambda: "ready" in log.read_text(), f"a server on port {port}")

    def stop(self):
        for process in [*self.servers, self.process]:
            process.kill()
            process.wait(10)


@pytest.fixture
def net(stack):
    """The supervisor's network: a place `host` with the bridge, and `outside` behind it."""
    stack.host, stack.outside = Place(), Place()
    try:
        stack.host.run(f"""
            ip link add out0 type veth peer eth0 netns {stack.outside.process.pid}
            ip link set out0 up
            ip addr add {HOST4}/24 dev out0
            ip addr add {HOST6}/64 dev out0 nodad
            ip route add {METADATA} via {OUTSIDE4}""")
        stack.outside.run(f"""
            ip link set eth0 up
            ip addr add {OUTSIDE4}/24 dev eth0
            ip addr add {OUTSIDE6}/64 dev eth0 nodad
            ip addr add {METADATA}/32 dev lo
            ip route add 10.203.0.0/16 via {HOST4}
            ip route add fd4d:6f64:43::/48 via {HOST6}""")
        stack.settings["network"] = {"namespace": stack.host.path}
        yield stack.start()
        assert stack.stop() == 0
        links = [link["ifname"] for link in json.loads(stack.host.run("ip -j link"))]
        assert sorted(links) == ["lo", "out0"], "links were left"
        assert stack.host.run("nft list ruleset").strip() == "", "rules were left"
    finally:
        stack.stop()
        stack.host.stop()
        stack.outside.stop()


SERVICE = f"""
subprocess.Popen([sys.executable, "-c", {SERVER!r}, "8080"])
while "1F90" not in read("/proc/net/tcp6"): __import__("time").sleep(0.01)
"""


def test_addresses_and_routes(net):
    stack = net
    services = []
    for tenant in ("alpha", "beta"):
        stack.sleeper(tenant)
        stack.ctl("apply")
        services.append(stack.inspect(f"{tenant}/web")["network"])
    seen = stack.ask("""
        def ip(*words): return json.loads(run("ip -j " + " ".join(words))[1])
        tell(links=[l["ifname"] for l in ip("link")],
             addresses=[a["local"] for l in ip("addr show dev eth0") for a in l["addr_info"]],
             routes=[[r["dst"], r["gateway"]] for r in ip("route") + ip("-6 route") if r["dst"] == "default"],
             resolver=read("/etc/resolv.conf"), hosts=read("/etc/hosts"))
        """)
    assert seen["links"] == ["lo", "eth0"]
    assert seen["routes"] == [["default", "10.203.0.1"], ["default", "fd4d:6f64:43::1"]]
    own = [address for address in seen["addresses"] if not address.startswith("fe80")]
    assert own == ["10.203.0.4", "fd4d:6f64:43::4"]
    assert [(s["ipv4"], s["ipv6"]) for s in services] == [
        ("10.203.0.2", "fd4d:6f64:43::2"), ("10.203.0.3", "fd4d:6f64:43::3")]
    assert "probe-web" in seen["hosts"] and "127.0.0.53" not in seen["resolver"]


def test_host_and_other_tenants_are_out_of_reach(net, tmp_path):
    """Each that does not answer is shown to be there: to the place where the bridge is, it answers."""
    stack = net
    stack.host.serve(9000, tmp_path / "host")
    alpha = stack.serve_inside(SERVICE)["network"]
    reached = stack.host.ask(f"print(ask('{alpha['ipv4']}', 8080), ask('{alpha['ipv6']}', 8080), ask('::1', 9000))")
    assert reached == ["10.203.0.1", "fd4d:6f64:43::1", "::1"]
    stack.host.ask(f"shout('{alpha['ipv4']}', 8080, 'of-host'); shout('127.0.0.1', 9000, 'of-itself')")
    targets = {alpha["ipv4"]: 8080, alpha["ipv6"]: 8080, "10.203.0.1": 9000, "fd4d:6f64:43::1": 9000, HOST4: 9000,
               HOST6: 9000}
    seen = stack.ask(ASK + f"""
from concurrent.futures import ThreadPoolExecutor
targets = {targets}
def ping(address): return run("busybox ping -c 1 -W 1 " + address)[0]
def curl(target):
    address = "[" + target[0] + "]" if ":" in target[0] else target[0]
    return run(f"curl -sS -m 1 http://{{address}}:{{target[1]}}/")[0]
with ThreadPoolExecutor(16) as pool:
    pings = pool.map(ping, [*targets, "10.203.3.255", "{OUTSIDE4}", "{OUTSIDE6}"])
    curls = pool.map(curl, targets.items())
    answers = dict(zip(targets, pool.map(lambda t: ask(*t), targets.items())))
for port in (8080, 9000):
    for address in ("255.255.255.255", "10.203.3.255", "224.0.0.1", *targets):
        shout(address, port, "of-probe", socket.AF_INET6 if ":" in address else socket.AF_INET)
    shout("ff02::1%eth0", port, "of-probe", socket.AF_INET6)
tell(answers=answers, pings=list(pings), curls=list(curls))
""", extra="cap_add: [NET_RAW]", seconds=40)
    assert set(seen["answers"].values()) <= {"timeout"}, seen["answers"]
    assert 0 not in seen["pings"][:-2] and seen["pings"][-2:] == [0, 0], seen["pings"]
    assert set(seen["curls"]) <= {7, 28}, seen["curls"]  # "failed to connect", "timeout"
    time.sleep(0.2)
    assert (tmp_path / "host").read_text().split() == ["ready", "of-itself"]
    log = stack.logs()
    assert "of-host" in log and "of-probe" not in log


def test_known_neighbours_and_routes_lead_nowhere_either(net):
    """A tenant that may change its own tables knows where the other is: the frame itself must not pass."""
    stack = net
    alpha = stack.serve_inside(SERVICE)["network"]
    where = json.loads(stack.host.run(f"ip -j neigh show to {alpha['ipv4']}"))[0]["lladdr"]
    seen = stack.ask(ASK + f"""
addresses = ["{alpha['ipv4']}", "{alpha['ipv6']}"]
answers = []
for command in ("ip neigh replace {{a}} lladdr {where} dev eth0 nud permanent",
                "ip neigh del {{a}} dev eth0; ip route replace {{a}} via {{g}} dev eth0"):
    for address, gateway in zip(addresses, ("10.203.0.1", "fd4d:6f64:43::1")):
        assert run(command.format(a=address, g=gateway))[0] == 0
        # what needs no answer, for the other does not know the way back
        shout(address, 8080, "of-probe", socket.AF_INET6 if ":" in address else socket.AF_INET)
        answers.append(ask(address, 8080))
tell(answers=answers)
""", extra="cap_add: [NET_ADMIN]")
    assert seen["answers"] == ["timeout"] * 4
    assert "of-probe" not in stack.logs()
    reached = stack.host.ask(f"print(ask('{alpha['ipv4']}', 8080), ask('{alpha['ipv6']}', 8080))")
    assert reached == ["10.203.0.1", "fd4d:6f64:43::1"]


def test_world_outside_is_reached_and_does_not_reach_in(net, tmp_path):
    """Masqueraded; a cloud's metadata stay shut but for its resolver."""
    stack = net
    for port in (80, 53):
        stack.outside.serve(port, tmp_path / str(port))
    alpha = stack.serve_inside(SERVICE)["network"]
    targets = (OUTSIDE4, 80), (OUTSIDE6, 80), (METADATA, 80), (METADATA, 53)
    seen = stack.ask(ASK + f"tell(seen=[ask(*target) for target in {targets}])")
    assert seen["seen"] == [HOST4, HOST6, "timeout", HOST4]
    assert stack.host.ask(f"print(ask('{METADATA}', 80), ask('{alpha['ipv4']}', 8080))") == [HOST4, "10.203.0.1"]
    answers = stack.outside.ask(f"print(ask('{alpha['ipv4']}', 8080), ask('{alpha['ipv6']}', 8080))")
    assert answers == ["timeout"] * 2


def test_false_senders_are_stopped(net, tmp_path):
    """Even a tenant that may make packets of its own cannot speak for another, nor take its address."""
    stack = net
    stack.outside.serve(80, tmp_path / "outside")
    alpha = stack.serve_inside(SERVICE)["network"]
    stack.ask(ASK + f"""
import struct
def packet(source, text):
    data = struct.pack("!HHHH", 5000, 80, 8 + len(text), 0) + text
    return struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(data), 0, 0, 64, 17, 0, socket.inet_aton(source),
                       socket.inet_aton("{OUTSIDE4}")) + data
own = json.loads(run("ip -j -4 addr show dev eth0")[1])[0]["addr_info"][0]["local"]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for source in ("{alpha['ipv4']}", "10.203.0.1", "10.203.0.200", "{HOST4}", "198.51.100.1", "127.0.0.1"):
    attempt(raw.sendto, packet(source, b"false-" + source.encode()), ("{OUTSIDE4}", 0))
raw.sendto(packet(own, b"true-raw"), ("{OUTSIDE4}", 0))
# taking the address, then the link's address, of the other
assert run("ip addr add {alpha['ipv4']}/22 dev eth0; ip -6 addr add {alpha['ipv6']}/64 dev eth0 nodad")[0] == 0
def bound(source, text, family, target):
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((source, 0))
        probe.sendto(text.encode(), (target, 80))
bound("{alpha['ipv4']}", "taken4", socket.AF_INET, "{OUTSIDE4}")
bound("{alpha['ipv6']}", "taken6", socket.AF_INET6, "{OUTSIDE6}")
run("busybox arping -U -c 2 -I eth0 {alpha['ipv4']}")
bound(own, "true-bound", socket.AF_INET, "{OUTSIDE4}")
assert run("ip link set eth0 down && ip link set eth0 address 02:00:00:00:00:99 && ip link set eth0 up && "
           "ip route replace default via 10.203.0.1")[0] == 0
bound(own, "other-mac", socket.AF_INET, "{OUTSIDE4}")
tell(done=True)
""", extra="cap_add: [NET_RAW, NET_ADMIN]")
    time.sleep(0.3)
    assert (tmp_path / "outside").read_text().split() == ["ready", "true-raw", "true-bound"]
    reached = stack.host.ask(f"print(ask('{alpha['ipv4']}', 8080), ask('{alpha['ipv6']}', 8080))")
    assert reached == ["10.203.0.1", "fd4d:6f64:43::1"]


def test_links_and_addresses_are_given_back(net):
    stack = net

    def ports():
        links = {link["ifname"] for link in json.loads(stack.host.run("ip -j link"))}
        return sorted(links - {"lo", "out0", "ctbr0"})
    for tenant in ("alpha", "beta"):
        stack.sleeper(tenant)
        stack.ctl("apply")
    before = {name: stack.inspect(f"{name}/web")["network"] for name in ("alpha", "beta")}
    assert ports() == sorted(n["link"] for n in before.values())
    rules = stack.host.run("nft list ruleset")
    assert all(n["ipv4"] in rules and n["ipv6"] in rules for n in before.values())
    for _ in range(3):
        stack.ctl("restart", "alpha/web")
    assert stack.inspect()["network"] == before["alpha"]
    shutil.rmtree(stack.tenant_directory("alpha"))
    stack.ctl("apply")
    wait_until(lambda: ports() == [before["beta"]["link"]], "alpha's link to go")


    def known(address):
        lines = stack.host.run("nft list ruleset; ip neigh; ip -6 neigh").splitlines()
        return [line for line in lines if address in line]
    for address in (before["alpha"]["ipv4"], before["alpha"]["ipv6"]):
        wait_until(lambda: not known(address), f"{address} to be forgotten")
    stack.sleeper("gamma")
    stack.ctl("apply")
    assert stack.inspect("gamma/web")["network"]["ipv4"] == before["alpha"]["ipv4"]
    stack.ctl("kill", "beta/web")
    wait_until(lambda: len(ports()) == 1, "beta's link to go")


HTTP_SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = json.dumps(dict(path=self.path, method=self.command, length=len(body), name=socket.gethostname(),
                               fds=os.environ["LISTEN_FDS"], pid=os.environ["LISTEN_PID"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST
    def address_string(self): return "unix"
class Server(http.server.HTTPServer):
    def __init__(self):
        self.server_name, self.server_port = "x", 0
        super(http.server.HTTPServer, self).__init__(("", 0), Handler, bind_and_activate=False)
        self.socket = socket.socket(fileno=3)
tell(ready=True)
Server().serve_forever()
"""


def test_http_service_is_reached_through_httpd(net):
    """x-listen: http; the program takes descriptor 3, and needs no network for it."""
    stack = net
    stack.serve_inside(HTTP_SERVER, extra="x-listen: http\nuser: www-data")
    httpd = stack.serve("alpha")
    seen = httpd.get("/a/b?c=d%20e", host="alpha.test").json
    assert (seen["path"], seen["method"], seen["name"]) == ("/a/b?c=d%20e", "GET", "alpha-web")
    assert (seen["fds"], seen["pid"], seen["length"]) == ("1", "1", 0)
    seen = httpd.post("/upload", "x" * 300000, host="alpha.test").json
    assert (seen["path"], seen["method"], seen["length"]) == ("/upload", "POST", 300000)
    for _ in range(3):
        stack.ctl("restart", "alpha/web")
        assert httpd.get("/", host="alpha.test").status == 200


def test_low_ports_need_no_capability(stack):
    """In the tenant's own namespace port 80 is nobody else's."""
    stack.start()
    output, state = stack.run_inside(
        "python3 -c 'import socket; socket.create_server((\"0.0.0.0\", 80)); print(\"bound\")'",
        extra="user: www-data")
    assert "bound" in output and state["state"] == "exited", (output, state)
