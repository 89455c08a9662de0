# SPDX-License-Identifier: Apache-2.0
"""x-mail-log: a real PHP-FPM calls mail(), and the operator sees which script wrote to whom."""
import json
import os
import subprocess
from pathlib import Path

from private_httpd import BUILD, wait_until
from stack import PHP_FPM_CONF, PHP_SERVICE

SENDER = """<?php
$count = (int)($_GET['count'] ?? 1);
for ($n = 0; $n < $count; $n++)
    mail($_GET['to'] ?? 'ann@example.org', $_GET['subject'] ?? "News $n", "body\\n",
         "From: site@example.com\\r\\nX-Forged: -- Subject: no");
echo 'sent';
"""
JUNK = """<?php
$log = fopen('/var/log/php-mail.log', 'a');
fwrite($log, $_GET['junk']);
echo 'written';
"""
MAIL_CONF = PHP_FPM_CONF + """
php_admin_value[mail.log] = /var/log/php-mail.log
php_admin_value[sendmail_path] = /bin/true
"""


def serve(stack, *tenants, mail_log=True):
    for tenant in tenants:
        stack.php(tenant, SENDER, PHP_SERVICE + ("    x-mail-log: /var/log/php-mail.log\n" if mail_log else ""))
        directory = stack.tenant_directory(tenant)
        (directory / "php-fpm.conf").write_text(MAIL_CONF)
        (directory / "site" / "junk.php").write_text(JUNK)
    stack.start()
    return stack.serve(*tenants)


def mails(stack, name="alpha"):
    return json.loads(stack.ctl("-o", "json", "mails", name).stdout)


def wait_mails(stack, total, name="alpha"):
    wait_until(lambda: mails(stack, name)["total"] == total, f"{total} mails, not {mails(stack, name)}")
    return mails(stack, name)["mails"]


def cpu_seconds(stack):
    """The supervisor's own CPU time so far."""
    fields = (Path("/proc") / str(stack.process.pid) / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_mails_are_counted_and_told(stack):
    httpd = serve(stack, "alpha", "beta")
    ask = "/index.php?to=Ann%20%3Cann@example.org%3E,%20bob@Example.NET&subject=Hello%20%3Cb%3E%0aworld"
    assert httpd.get(ask, host="alpha.test").text == "sent"
    mail, = wait_mails(stack, 1)
    assert (mail["script"], mail["line"], mail["recipients"]) == ("/var/www/index.php", 4, 2)
    assert mail["domains"] == ["example.org", "example.net"] and mail["domain_count"] == 2
    assert mail["subject"].startswith("Hello <b>") and mail["subject"].endswith("world")
    assert mail["to"] == "Ann <ann@example.org>, bob@Example.NET" and mail["service"] == "web"
    assert mails(stack, "beta") == {"mails": [], "total": 0}
    listed = stack.ctl("mails", "alpha/web").stdout
    assert "/var/www/index.php:4" in listed and "ann@example.org" in listed
    events = [json.loads(line) for line in stack.ctl("-o", "json", "events", "alpha").stdout.splitlines()]
    event, = [e for e in events if "mail" in e]
    assert event["event"] == "mail to 2 recipients from /var/www/index.php:4"
    assert "ann" not in json.dumps(event) and event["mail"]["domains"] == ["example.org", "example.net"]
    rows = lambda: {r["tenant"]: r for r in httpd.get("/container-status?format=json").json["containers"]}
    wait_until(lambda: rows()["alpha"]["mails"] == 1, "the page to count it")
    assert rows()["alpha"]["last_mail_unix"] > 0 and rows()["beta"]["mails"] == 0
    answer = stack.ctl("mails", "gamma", check=False)
    assert answer.returncode != 0 and "there is no gamma" in answer.stderr


def test_many_mails_all_count_and_the_last_are_kept(stack):
    httpd = serve(stack, "alpha")
    assert httpd.get("/index.php?count=300", host="alpha.test").text == "sent"
    kept = wait_mails(stack, 300)
    assert [m["subject"] for m in kept] == [f"News {n}" for n in range(299, 279, -1)]
    events = [json.loads(line) for line in stack.ctl("-o", "json", "events", "--tail", "all", "alpha").stdout.splitlines()]
    assert 20 <= sum("mail" in e for e in events) < 300  # the journal is not flooded
    stack.ctl("restart", "alpha/web")
    stack.wait_state("running")
    assert httpd.get("/index.php", host="alpha.test").text == "sent"
    wait_mails(stack, 301)


def test_junk_is_ignored(stack):
    httpd = serve(stack, "alpha")

    def write(text):
        body = "/junk.php?junk=" + "".join(f"%{byte:02x}" for byte in text)
        assert httpd.get(body, host="alpha.test").text == "written"

    write(b"nonsense\n\x00\xff\n[x] mail() on [/a.php:12: To: a@b -- Headers:  -- Subject: \n" + b"\n" * 50)
    for _ in range(6):  # one line of more than the bound
        write(b"y" * 2000)
    write(b"\n[d] mail() on [/a\x1b[31m\xc3.php:7]: To: =cmd()@\"><script> -- Headers:  -- Subject: %s%n\x07\xe2\x80\xae\n")
    mail, = wait_mails(stack, 1)
    assert mail["line"] == 7 and mail["domains"] == []
    assert "\x1b" not in json.dumps(mail, ensure_ascii=False) and "\x07" not in mail["subject"]
    assert "\x1b" not in stack.ctl("mails", "alpha").stdout
    assert stack.log().count("lines that are not PHP's") == 1
    assert stack.state() == "running"


def test_a_flood_waits_in_its_own_pipe(stack):
    """A tenant that writes without end has its reading rationed; the supervisor answers others as ever."""
    stack.tenant("alpha", """
services:
  web:
    image: host
    command: ["sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done > /var/log/m"]
    stop_signal: SIGKILL
    x-mail-log: /var/log/m
""")
    stack.start()
    stack.wait_state("running")
    before = cpu_seconds(stack)
    for _ in range(20):
        assert mails(stack)["total"] == 0
    assert stack.ctl("version").returncode == 0
    assert cpu_seconds(stack) - before < 5
    stack.ctl("stop", "alpha/web")
    assert not list((stack.path / "run" / "containers").glob("*/mail.fifo"))


def test_httpd_is_told_no_addresses(stack):
    httpd = serve(stack, "alpha")
    assert httpd.get("/index.php?subject=s", host="alpha.test").text == "sent"
    wait_mails(stack, 1)
    done = subprocess.run(["setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups",
                           BUILD / "containerctl", "--root", stack.path, "-o", "json", "mails", "alpha"],
                          check=True, text=True, capture_output=True, timeout=60)
    answer = json.loads(done.stdout)
    assert answer["mails"][0]["domains"] == ["example.org"]
    assert "to" not in answer["mails"][0] and "ann@" not in json.dumps(answer)


def test_without_the_key_there_is_nothing(stack):
    httpd = serve(stack, "alpha", mail_log=False)
    assert httpd.get("/index.php", host="alpha.test").status == 200
    assert mails(stack) == {"mails": [], "total": 0}
    rows = httpd.get("/container-status?format=json").json["containers"]
    assert rows[0]["mails"] is None
