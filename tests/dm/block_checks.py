# SPDX-License-Identifier: Apache-2.0
"""The test programs of src/blockdev and src/luks on real block devices."""
import pathlib
import re

from lab import run, verdict

CASE = re.compile(r"^\[\s+(OK|FAILED)\s+\] (\S+) \(\d+ ms\)$")


def run_cases(program):
    """Turns GoogleTest's output into verdicts."""
    done = run(program, ok=False)
    details, cases, failed = [], 0, False
    for line in done.stdout.splitlines():
        match = CASE.match(line)
        if match:
            cases += 1
            failed = failed or match.group(1) == "FAILED"
            verdict(match.group(2), None if match.group(1) == "OK" else "\n".join(details))
        if match or line.startswith("[ RUN"):
            details = []
        else:
            details.append(line)
    if (done.returncode != 0 and not failed) or not cases:
        verdict(f"{program.name} succeeds", f"exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")


def run_all(build):
    for name in ("dm-blockdev", "dm-luks"):
        run_cases(pathlib.Path(build) / "tests/dm" / name)
