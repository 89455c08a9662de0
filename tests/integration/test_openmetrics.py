# SPDX-License-Identifier: Apache-2.0
"""?format=openmetrics: what Prometheus, its promtool and the dashboards in conf/ make of it."""
import json
import re
import subprocess
import time

import pytest

from private_httpd import ROOT, Board, Httpd, Workplace
from test_module_status import LOCATION, everything

SAMPLE = re.compile(r'^([a-z_]+)(\{(?:[a-z_0-9]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.]+)$')
SUFFIXES = {"counter": ("_total", "_created"), "info": ("_info",), "gauge": ("",), "summary": ("",)}


@pytest.fixture
def place():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def board(place):
    board = Board(place)
    yield board
    board.stop()


@pytest.fixture
def httpd(place, board):
    httpd = Httpd(place, LOCATION).start()
    yield httpd
    httpd.stop()


def scrape(httpd, query="", **headers):
    reply = httpd.get(f"/container-status?format=openmetrics{query}", headers=headers)
    assert reply.status == 200
    return reply


def families(text):
    """{family: {"type", "unit", "help", "samples": [(name, labels, value)]}}; fails where the format is not kept."""
    assert text.endswith("# EOF\n")
    found, current = {}, None
    for line in text.splitlines()[:-1]:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            if name != current:
                assert name not in found, f"{name} stands in two places"
                found[name] = {"samples": []}
                current = name
            assert not found[name]["samples"] and word.lower() not in found[name], line
            found[name][word.lower()] = rest
        else:
            name, labels, value = SAMPLE.match(line).groups()
            assert name in [current + suffix for suffix in SUFFIXES[found[current]["type"]]], line
            found[current]["samples"].append((name, labels or "", float(value)))
    return found


def one(found, family, labels=""):
    values = [value for name, has, value in found[family]["samples"]
              if labels in has and not name.endswith("_created")]
    assert len(values) == 1, (family, labels, found[family])
    return values[0]


def test_families_are_whole_and_their_names_right(httpd, board):
    everything(board)
    board.slot(1, tenant="a", service="sleeper", state="sleeping")
    found = families(scrape(httpd).text)
    for name, family in found.items():
        assert family["type"] in SUFFIXES and family["help"] and family["samples"], name
        assert name.startswith("container") and not name.endswith("_total")
        if "unit" in family:
            assert name.endswith("_" + family["unit"]), name
        keys = [(sample, labels) for sample, labels, _ in family["samples"]]
        assert len(keys) == len(set(keys)), name
    assert one(found, "container_supervisor_up") == 1
    assert one(found, "container_state", 'tenant="alpha",service="web",replica="1",state="working"') == 1
    assert one(found, "container_state", 'state="sleeping"') == 1
    assert one(found, "containers", 'state="working"') == 1
    assert one(found, "container", 'image="php:8.2"') == 1
    assert one(found, "container_device_bytes", 'device="253:1",direction="read"') == 11
    assert one(found, "container_pressure_seconds", 'resource="io",share="full"') == 0
    assert one(found, "container_http_responses", 'code="5xx"') == 5
    assert one(found, "container_host_load", 'minutes="15"') == 0.03
    assert one(found, "container_host_cpu_usage_ratio") == 0.00001
    assert one(found, "container_supervisor_starts") == 1


def test_counters_of_a_run_tell_when_it_began(httpd, board):
    started = time.time_ns() // 1000 - 60_000_000
    board.slot(0, tenant="a", service="b", cpu_usage_usec=1_500_000, started_realtime_usec=started)
    samples = families(scrape(httpd).text)["container_cpu_usage_seconds"]["samples"]
    assert [(name, value) for name, _, value in samples] == [
        ("container_cpu_usage_seconds_total", 1.5), ("container_cpu_usage_seconds_created", started / 1e6)]


def test_what_nobody_knows_has_no_family(httpd, board):
    board.slot(0, tenant="a", service="b", state="sleeping")
    found = families(scrape(httpd).text)
    assert "container_memory_usage_bytes" not in found and "container_state" in found
    board.stop()
    found = families(scrape(httpd).text)
    assert one(found, "container_supervisor_up") == 0
    assert "container_state" not in found


def test_labels_of_others_stay_inside_their_quotes(httpd, board):
    hostile = 'a"} 1\\ncontainer_state{x="\\\\'
    board.slot(0, tenant=hostile, service="b", image='\\"\n# EOF\n', memory_bytes=1)
    text = scrape(httpd).text
    found = families(text)
    assert text.count("# EOF") == 2 and 'image="\\\\\\" # EOF "' in text
    assert len(found["container_memory_usage_bytes"]["samples"]) == 1


@pytest.mark.parametrize("accept,kind", [
    (None, "openmetrics"), ("*/*", "openmetrics"),
    ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", "openmetrics"),
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", "text"), ("text/plain", "text"),
])
def test_a_client_gets_what_it_reads(httpd, board, accept, kind):
    board.slot(0, tenant="a", service="b", requests=1)
    reply = scrape(httpd, **({"Accept": accept} if accept else {}))
    assert reply.headers["Vary"] == "Accept"
    expected = {"openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
                "text": "text/plain; version=0.0.4; charset=utf-8"}[kind]
    assert reply.headers["Content-Type"] == expected
    assert ("# EOF" in reply.text) == (kind == "openmetrics")
    assert ("# TYPE container_http_requests_total counter" in reply.text) == (kind == "text")


def test_promtool_has_nothing_to_say(httpd, board):
    everything(board)
    board.slot(1, tenant="a", service="sleeper", state="sleeping")
    for accept in ("text/plain", "application/openmetrics-text"):
        text = scrape(httpd, Accept=accept).text
        done = subprocess.run(["promtool", "check", "metrics"], input=text if accept == "text/plain" else plain(text),
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


def plain(text):
    """What promtool, which reads the older format only, would be told: the same samples."""
    found = families(text)
    lines = []
    for name, family in found.items():
        suffix = {"counter": "_total", "info": "_info"}.get(family["type"], "")
        kind = "gauge" if family["type"] == "info" else family["type"]
        lines += [f"# HELP {name}{suffix} {family['help']}", f"# TYPE {name}{suffix} {kind}"]
        lines += [f"{sample}{labels} {value}" for sample, labels, value in family["samples"]
                  if not sample.endswith("_created")]
    return "\n".join(lines) + "\n"


def names_in(expression):
    without_labels = re.sub(r"\{[^}]*\}", "", re.sub(r'"[^"]*"', "", expression))
    without_sets = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", without_labels)
    return set(re.findall(r"\bcontainer[a-z_]*\b", without_sets))


@pytest.mark.parametrize("dashboard", sorted((ROOT / "conf" / "grafana").glob("*.json")), ids=lambda path: path.name)
def test_a_dashboard_asks_for_what_there_is(httpd, board, dashboard):
    everything(board)
    told = {name for family in families(scrape(httpd).text).values() for name, _, _ in family["samples"]}
    model = json.loads(dashboard.read_text())
    assert model["schemaVersion"] >= 36 and model["title"] and model["uid"] and model["panels"]
    identities = [panel["id"] for panel in model["panels"]]
    assert len(identities) == len(set(identities))
    asked = set()
    for panel in model["panels"]:
        grid = panel["gridPos"]
        assert panel["title"] and grid["x"] + grid["w"] <= 24 and panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]
        for target in panel["targets"]:
            asked |= names_in(target["expr"])
            assert target["refId"]
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            asked |= names_in(variable["query"]["query"])
    assert asked and asked <= told, asked - told


def test_the_example_for_prometheus_is_valid(tmp_path):
    """promtool wants every file it names, and names none here."""
    done = subprocess.run(["promtool", "check", "config", ROOT / "conf" / "prometheus.yml"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "format: [openmetrics]" in (ROOT / "conf" / "prometheus.yml").read_text()
