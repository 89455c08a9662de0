# SPDX-License-Identifier: Apache-2.0
"""The pages that describe an interface say what the program does."""
import ctypes
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess

import board as boards
import fake_supervisor
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "containerctl"
TYPES = {"u8": 1, "u16": 2, "u32": 4, "i32": 4, "u64": 8, "char": 1,
         "pressure": 32, "device": 48, "ring": 16, "point": 16}


def section(page, heading):
    text = (ROOT / "docs" / page).read_text()
    return re.split(rf"^##+ {heading}$", text, flags=re.M)[1].split("\n#")[0]


def rows(text):
    """The cells of a table's rows, headings left out."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" `|") for cell in line] for line in lines[2:]]


def tables(heading):
    """The tables of a section of the page, each as its rows."""
    text = section("scoreboard.md", heading)
    return [rows(part) for part in re.findall(r"(?:^\|.*\n)+", text, re.M)]


def assert_is_structure(fields, structure):
    assert [row[2] for row in fields] == [name for name, _ in structure._fields_]
    for offset, kind, name, *_ in fields:
        field = getattr(structure, name)
        base, _, count = kind.rstrip("]").partition("[")
        assert (int(offset), TYPES[base] * int(count or 1)) == (field.offset, field.size), name


def test_the_slot_of_the_scoreboard_page_is_the_slot_of_the_code():
    slot, pressure, device = tables("A slot")
    assert_is_structure(slot, boards.Slot)
    assert_is_structure(pressure, boards.TYPES["pressure_figures"])
    assert_is_structure(device, boards.TYPES["slot_device"])


def test_the_history_and_the_machine_of_the_scoreboard_page_are_those_of_the_code():
    history, ring, point = tables("A history")
    assert_is_structure(history, boards.History)
    assert_is_structure(ring, boards.Ring)
    assert_is_structure(point, boards.Point)
    assert_is_structure(tables("The machine")[0], boards.Host)


def test_the_figures_and_faults_of_the_scoreboard_page_are_those_of_the_code(tmp_path):
    known = {}
    for row in tables("What is known")[0]:
        for cells in (row[:2], row[2:]):
            if len(cells) == 2:
                known[int(cells[0])] = re.findall(r"[a-z][a-z0-9_*]+", cells[1])
    assert sorted(1 << bit for bit in known) == sorted(boards.HAS.values())
    fields = [name for name, _ in boards.Slot._fields_]
    for patterns in known.values():
        for pattern in patterns:
            assert fnmatch.filter(fields, pattern), pattern
    library = boards.load_library(tmp_path)
    library.slot_fault_name.restype = ctypes.c_char_p
    faults = tables("Faults")[0]
    assert [(int(row[0]), row[1]) for row in faults] == [
        (number, library.slot_fault_name(number).decode()) for number in range(9)]
    assert library.slot_fault_name(9) == b"none"


def test_the_header_of_the_scoreboard_page_is_the_header_of_the_file(tmp_path):
    library = boards.load_library(tmp_path)
    board = boards.Board(library, tmp_path / "board", [dict(state=boards.RUNNING)])
    try:
        data = (tmp_path / "board").read_bytes()
    finally:
        board.close()
    found = {}
    for offset, kind, name, *_ in rows(section("scoreboard.md", "The header")):
        base, _, count = kind.rstrip("]").partition("[")
        part = data[int(offset) : int(offset) + TYPES[base] * int(count or 1)]
        found[name] = part.split(b"\0")[0].decode() if count else int.from_bytes(part, "little")
    assert found["magic"] == 0x3152424F43534D43 and data[:8] == b"CMSCOBR1"
    assert found["abi"] == 2 and found["header_size"] == 4096 and found["slot_size"] == 1792
    assert found["history_size"] == 2744 and found["host_sequence"] == found["host_words"] == 0
    assert found["slot_count"] == 64 and found["slots_used"] == 1 and found["retired"] == 0
    assert found["engine_pid"] == os.getpid() and found["cpus"] == 2 and found["version"] == "0.1.0"
    assert found["sample_interval_usec"] == 1_000_000
    assert found["boot_id"] == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert abs(found["heartbeat_boottime_usec"] - boards.now_usec()) < 5_000_000


def test_the_states_of_the_scoreboard_page_are_those_of_the_code(tmp_path):
    library = boards.load_library(tmp_path)
    library.container_state_name.restype = ctypes.c_char_p
    library.container_state_letter.restype = ctypes.c_char
    states = rows(section("scoreboard.md", "States"))
    assert [int(row[0]) for row in states] == list(range(13))
    for number, letter, name, *_ in states:
        assert library.container_state_letter(int(number)).decode() == letter
        assert library.container_state_name(int(number)).decode() == name
    assert library.container_state_name(13) == b"unknown"


def test_the_codes_of_the_protocol_page_are_those_of_the_code(tmp_path):
    library = boards.load_library(tmp_path)
    library.control_code_from_name.argtypes = [ctypes.c_char_p]
    for name, status, *_ in rows(section("control-protocol.md", "Codes")):
        code = library.control_code_from_name(name.encode())
        assert library.control_code_http_status(code) == int(status), name


def test_the_examples_of_the_protocol_page_follow_the_protocol():
    text = (ROOT / "docs/control-protocol.md").read_text()
    requests = []
    for block in re.findall(r"(?:^    .*\n)+", text, re.M):
        for side, body in re.findall(r"^    ([><]) (.*?)(?=^    [><]|\Z)", block, re.M | re.S):
            message = json.loads(re.sub(r"\n\s+", " ", body))
            if side == ">":
                assert fake_supervisor.check(message) is None
                requests.append(message["verb"])
            else:
                assert message["version"] == 1 and isinstance(message["ok"], bool)
    assert set(requests) == {"version", "list", "restart", "pause", "inspect", "logs", "apply", "mails", "processes",
                             "why", "history", "events"}


def helps():
    """What help shows: {verb: its options}."""
    top = subprocess.run([PROGRAM, "help"], capture_output=True, text=True, timeout=10, check=True)
    verbs = re.findall(r"^  ([a-z]+) ", top.stdout.split("Options")[0], re.M)
    found = {}
    for verb in set(verbs) - {"help"}:
        run = subprocess.run([PROGRAM, "help", verb], capture_output=True, text=True, timeout=10)
        found[verb] = set(re.findall(r"^  .*?(--[a-z-]+)", run.stdout, re.M))
    return found


def test_the_manual_page_names_every_verb_and_option():
    page = (ROOT / "docs/man/containerctl.1").read_text().replace("\\-", "-")
    for verb, options in helps().items():
        assert re.search(rf"^\.BR?I? {verb}\b", page, re.M), verb
        for option in options - {"--all", "--quiet", "--follow", "--signal"}:
            assert option in page, option


def test_completion_offers_every_verb_and_option():
    script = f"""
        . {ROOT}/conf/containerctl.bash
        complete_line() {{
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _containerctl; echo "${{COMPREPLY[*]}}"
        }}
    """
    found = helps()

    def offered(*words):
        call = "complete_line " + " ".join(f"'{word}'" for word in words)
        run = subprocess.run(
            ["bash", "-euc", script + call], capture_output=True, text=True, timeout=20
        )
        assert run.returncode == 0, run.stderr
        return set(run.stdout.split())

    assert offered(PROGRAM, "") == set(found) | {"help"}
    assert offered(PROGRAM, "re") == {"restart", "resume"}
    for verb, options in found.items():
        assert offered(PROGRAM, verb, "--") == options, verb
    assert offered(PROGRAM, "--root", "/x", "ps", "-o", "") == {"table", "wide", "json"}


def test_completion_offers_names_from_the_scoreboard(tmp_path):
    library = boards.load_library(tmp_path)
    (tmp_path / "run").mkdir()
    names = [(b"blog", b"web"), (b"blog", b"db"), (b"shop", b"web")]
    slots = [dict(state=boards.STOPPED, tenant=tenant, service=name) for tenant, name in names]
    board = boards.Board(library, tmp_path / "run/scoreboard", slots)
    script = f"""
        . {ROOT}/conf/containerctl.bash
        COMP_WORDS=({PROGRAM} --root {tmp_path} stop b); COMP_CWORD=4; _containerctl
        echo "${{COMPREPLY[*]}}"
    """
    try:
        run = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=20)
    finally:
        board.close()
    assert run.stdout.split() == ["blog", "blog/db", "blog/web"], run.stderr


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", ["containerctl.1", "container-supervisor.8"])
def test_manual_pages_are_well_formed(page):
    run = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", ROOT / "docs/man" / page],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stdout == ""


def test_the_example_configuration_is_json_without_double_keys():
    def no_doubles(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    text = (ROOT / "conf/supervisor.json").read_text()
    config = json.loads(text, object_pairs_hook=no_doubles)
    page = (ROOT / "docs/man/container-supervisor.8").read_text()
    for key, value in config.items():
        for name in [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]:
            assert name in page
