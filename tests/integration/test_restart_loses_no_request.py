# SPDX-License-Identifier: Apache-2.0
"""Four clients send requests through ten restarts of the container; none may fail."""
import http.client
import threading
import time

INDEX = "<?php usleep(2000); echo 'pid ', getmypid(), ' of ', gethostname();"


class Client(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.answered, self.failed, self.is_over = 0, [], False

    def run(self):
        while not self.is_over:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", "/", headers={"Host": "alpha.test"})
                reply = connection.getresponse()
                text = reply.read()
                if reply.status == 200 and text.endswith(b"of alpha-web"):
                    self.answered += 1
                else:
                    self.failed.append((reply.status, text[:200]))
            except OSError as error:
                self.failed.append(repr(error))
            finally:
                connection.close()


def test_ten_restarts_under_four_clients(stack):
    stack.php("alpha", INDEX)
    stack.start()
    httpd = stack.serve("alpha")
    clients = [Client(httpd.port) for _ in range(4)]
    for client in clients:
        client.start()
    pids = set()
    for _ in range(10):
        before = sum(c.answered for c in clients)
        stack.ctl("restart", "alpha/web")
        pids.add(stack.ps()["alpha/web"]["pid"])
        end = time.monotonic() + 20
        while sum(c.answered for c in clients) < before + 20 and time.monotonic() < end:
            time.sleep(0.01)
    for client in clients:
        client.is_over = True
    for client in clients:
        client.join(40)
    assert [c.failed for c in clients] == [[], [], [], []], stack.logs()
    assert len(pids) == 10
    assert sum(c.answered for c in clients) >= 200
