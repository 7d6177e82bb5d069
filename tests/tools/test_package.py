#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/package builds what lies there, and again only when that differs (TAP)."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import clean_root  # noqa: E402  pylint: disable=wrong-import-position
import package  # noqa: E402  pylint: disable=wrong-import-position
from support.tap import equal, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

CONTROL = "Source: a\nBuild-Depends: debhelper-compat (= 13),\n b,\n\nPackage: a\nDepends: c\n"


def tree(folder, git=True):
    """A small source, with a change, a new file, a file that is gone, and one that git ignores."""
    source = pathlib.Path(folder)
    for name in ("src/a.cpp", "src/gone.cpp", "tests/a_test.cpp", "debian/rules", ".gitignore"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("build/\n" if name == ".gitignore" else "1\n", encoding="utf-8")
    (source / "debian/control").write_text(CONTROL, encoding="utf-8")
    if git:
        for arguments in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", "-C", folder, *arguments], check=True)
    (source / "src/gone.cpp").unlink()
    (source / "src/new.cpp").touch()
    (source / "build").mkdir()
    (source / "build/output").touch()
    package.ROOT = source
    return source


def key(check=False, suite="bookworm"):
    return package.Build(suite, check).key


def test_listed():
    """The source as it lies there: with new files, without those that are gone or ignored."""
    for git in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            tree(folder, git)
            names = [name for name in package.listed_files() if not name.startswith(".git/")]
            equal(names, [".gitignore", "debian/control", "debian/rules", "src/a.cpp", "src/new.cpp",
                          "tests/a_test.cpp"])


def test_key():
    """Content, names, rights, suite and checks decide whether packages are built again; times do not."""
    with tempfile.TemporaryDirectory() as folder:
        source = tree(folder)
        seen = [key()]
        (source / "src/a.cpp").touch()
        equal(key(), seen[0])
        for change in (lambda: (source / "src/a.cpp").write_text("2\n", encoding="utf-8"),
                       lambda: (source / "src/new.cpp").rename(source / "src/newer.cpp"),
                       lambda: (source / "debian/rules").chmod(0o755),
                       lambda: (source / "debian/control").write_text(CONTROL.replace(" b", " d"), encoding="utf-8")):
            change()
            seen.append(key())
        seen += [key(suite="sid"), key(check=True)]
        equal(len(set(seen)), len(seen))


def test_key_of_tests():
    """A test concerns who wants it run, and nobody else."""
    with tempfile.TemporaryDirectory() as folder:
        source = tree(folder)
        before = key(), key(check=True)
        (source / "tests/a_test.cpp").write_text("2\n", encoding="utf-8")
        equal((key() == before[0], key(check=True) == before[1]), (True, False))


def test_root():
    """A root is made anew when what is to be installed differs, and only then."""
    with tempfile.TemporaryDirectory() as folder:
        control = pathlib.Path(folder, "control")
        keys = []
        for text in (CONTROL, CONTROL.replace("Depends: c", "Depends: d"), CONTROL.replace(" b,", " b,\n c,")):
            control.write_text(text, encoding="utf-8")
            keys.append(clean_root.CleanRoot("sid", control, [], []).key)
        equal((keys[0] == keys[1], keys[0] == keys[2]), (True, False))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
