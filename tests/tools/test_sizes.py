#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/lib/sizes.py finds functions that are too long, wherever they are, and thin headers (TAP)."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402

CHECKER = pathlib.Path(__file__).parents[2] / "tools" / "lib" / "sizes.py"


def complaints(name, lines):
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root, name)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = subprocess.run([CHECKER, path], capture_output=True, text=True, timeout=60, check=False)
        found = [line.removeprefix(f"{path}:") for line in done.stdout.splitlines() if "more than 60" in line]
        return done.returncode, found


def test_functions():
    """a function of 60 lines is one, whatever is in it; with 61 it is too long"""
    for inside in ("    call([] { return 1; });", "", "    if (a) {\n    }", "    list = {\n        1,\n    };"):
        for size in (60, 61):
            body = "\n".join([inside] * 60).split("\n")[:size - 3]
            lines = ["namespace a {", "Type Class::longOne(int a,", "                    int b) {", *body, "}", "}  // namespace a"]
            equal(complaints("x.cpp", lines),
                  (0, []) if size == 60 else (1, ["2: Class::longOne() has 61 lines, more than 60"]))


def test_members():
    """a function in a class counts as any other"""
    lines = ["class A {", "  public:", "    void longOne() {", *["        call();"] * 60, "    }", "};"]
    equal(complaints("x.cpp", lines), (1, ["3: longOne() has 62 lines, more than 60"]))


def test_tables():
    """tables and namespaces may be long"""
    lines = ["namespace {", "constexpr auto kTable = std::to_array<Row>({", *["    {call(), 1},"] * 70, "});", "}"]
    equal(complaints("x.cpp", lines), (0, []))


def test_headers():
    """half of the headers have more than 40 lines"""
    for size, status in ((40, 1), (41, 0)):
        equal(complaints("x.h", [""] * size), (status, []))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
