# SPDX-License-Identifier: Apache-2.0
"""axe-core, the checker of accessibility, from the npm registry: one version, known by its hash, kept in build/.

It is fetched when tests are collected, for the tests themselves run in namespaces without a network.
"""
import base64
import hashlib
import subprocess
import tarfile

from private_httpd import ROOT

VERSION = "4.10.3"
INTEGRITY = "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
DIRECTORY = ROOT / "build" / "axe"
PACKAGE = DIRECTORY / f"axe-core-{VERSION}.tgz"


def fetch():
    """The script's text and "", or None and why there is none."""
    if not PACKAGE.exists():
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(["npm", "pack", "--silent", f"axe-core@{VERSION}"], cwd=DIRECTORY, timeout=120,
                                  capture_output=True, text=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"axe-core {VERSION} was not to be had: {error}"
        if done.returncode != 0:
            return None, f"axe-core {VERSION} was not to be had from the npm registry: {done.stderr.strip()[-200:]}"
    data = PACKAGE.read_bytes()
    found = base64.b64encode(hashlib.sha512(data).digest()).decode()
    assert found == INTEGRITY, f"{PACKAGE} is not what was published as axe-core {VERSION}: remove it"
    with tarfile.open(PACKAGE) as package:
        return package.extractfile("package/axe.min.js").read().decode(), ""


def serious(driver, source):
    """What axe-core finds that is serious or worse: rule, where, what to do."""
    driver.execute_script(source)
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))")
    return [f"{problem['id']} ({problem['impact']}): {node['target']} {node['failureSummary']}"
            for problem in found if problem["impact"] in ("serious", "critical")
            for node in problem["nodes"]]
