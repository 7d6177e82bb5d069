#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The message catalog: journald accepts it, and it has one text for each message ID of the code (TAP)."""
import pathlib
import re
import subprocess
import sys

from unit_tree import Folder, checks

# The fields that an entry has by its kind, whoever logs it.
FIELDS = {"VOLUME", "SLOT", "OPERATION", "CODE", "CALLER_UID"}


def scenario(check, source):
    text = (source / "systemd/volumecrypt.catalog").read_text(encoding="utf-8")
    header = (source / "src/base/journal.h").read_text(encoding="utf-8")
    in_code = set(re.findall(r'"([0-9a-f]{32})"', header))
    in_text = re.findall(r"^-- ([0-9a-f]{32})$", text, re.M)
    check.fact("the code has message IDs", len(in_code) >= 6, in_code)
    check.equal("each has its text, once", sorted(in_text), sorted(in_code))
    check.equal("texts use known fields only", set(re.findall(r"@(\w+)@", text)) - FIELDS, set())
    with Folder() as root:
        folder = root / "usr/lib/systemd/catalog"
        folder.mkdir(parents=True)
        (folder / "volumecrypt.catalog").write_text(text, encoding="utf-8")
        # journalctl writes below the root only.
        (root / "var/lib/systemd/catalog").mkdir(parents=True)
        made = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, text=True,
                              check=False)
        check.equal("journalctl takes the catalog without complaint", (made.returncode, made.stderr), (0, ""))
        shown = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], capture_output=True, text=True,
                               check=False).stdout
        check.equal("and knows all of it", sorted(re.findall(r"^([0-9a-f]{32}) VolumeCrypt: .", shown, re.M)),
                    sorted(in_code))


if __name__ == "__main__":
    checks.main(scenario, pathlib.Path(sys.argv[1]))
