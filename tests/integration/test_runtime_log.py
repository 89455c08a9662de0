# SPDX-License-Identifier: Apache-2.0
"""What the container runtime writes into its log, where engines read why a start failed."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "container-runtime"


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("value", ["ü" * 70, "a" + "ü" * 70, "a" + "\U0001f4e6" * 40])
def test_a_message_stays_whole_where_a_character_is_cut(tmp_path, log_format, value):
    """Long values are cut by bytes; JSON takes no half of a character and would drop the rest."""
    (tmp_path / "rootfs").mkdir()
    config = {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": value,
        "linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config, ensure_ascii=False))
    done = subprocess.run(
        [PROGRAM, "--root", tmp_path / "state", "--log", tmp_path / "log", "--log-format",
         log_format, "create", "--bundle", tmp_path, "c"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    line = (tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1]
    message = json.loads(line)["msg"] if log_format == "json" else line
    assert "hostname: " in message
    assert "has more than 64 bytes" in message
    assert not list((tmp_path / "state").glob("c"))
