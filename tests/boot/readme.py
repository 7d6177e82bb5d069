# SPDX-License-Identifier: Apache-2.0
"""What README.md says to do, for scenarios that do it."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def blocks(section):
    """The indented blocks of a section, as they are shown."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"the README has no section {section}")
    shown = re.findall(r"(?:^    .*\n|^\n(?=    ))+", found[1], re.MULTILINE)
    return [re.sub(r"^    ", "", block.strip("\n"), flags=re.MULTILINE) + "\n" for block in shown]


def commands(block):
    """The lines behind a prompt; the others are what a file has, or what is printed."""
    return [line[2:] for line in block.splitlines() if line.startswith("# ")]
