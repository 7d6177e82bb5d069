# SPDX-License-Identifier: Apache-2.0
"""The next version of a package, to upgrade to: the same files and scripts under a higher number."""
import pathlib
import re
import subprocess
import tempfile


def next_version(deb, folder):
    """Makes it in `folder`; returns its file."""
    with tempfile.TemporaryDirectory() as work:
        tree = pathlib.Path(work) / "tree"
        subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
        control = tree / "DEBIAN/control"
        text = control.read_text(encoding="utf-8")
        version = re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]
        # Of the packages of one source each asks for exactly its own version of the others.
        control.write_text(text.replace(version, f"{version}+next1"), encoding="utf-8")
        target = pathlib.Path(folder) / deb.name.replace(version, f"{version}+next1")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", "-Zgzip", tree, target], check=True,
                       stdout=subprocess.DEVNULL)
        return target
