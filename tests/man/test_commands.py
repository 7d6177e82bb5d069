#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No text names a command that does not exist: messages of the programs, man pages, catalog, bus documentation (TAP).
usage: test_commands.py SOURCE VOLUMECRYPTCTL ENGINE"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from man import commands, texts  # noqa: E402
from man.commands import NAMED, problem_of  # noqa: E402
from support.tap import equal, run, tests_of  # noqa: E402

SOURCE = pathlib.Path(sys.argv[1])
commands.OURS.update({"volumecryptctl": sys.argv[2], "volumecrypt-engine": sys.argv[3]})


def messages():
    """(file, text) of every message of the programs."""
    paths = sorted((SOURCE / "src").rglob("*.cpp")) + sorted((SOURCE / "src").rglob("*.h"))
    return [(path.name, text) for path in paths for text in texts.messages(path.read_text(encoding="utf-8"))]


def commands_in(where, text):
    """The commands between backticks, and the rest of the text."""
    inside, rest = texts.backticked(text)
    return [(where, each) for each in inside if NAMED.match(each) or each.startswith("sudo ")], rest


def check(found, least):
    assert len(found) >= least, f"the search is broken, it finds only {found}"
    wrong = [(where, command, problem_of(command)) for where, command in found]
    equal([entry for entry in wrong if entry[2]], [])


def test_the_judge():
    """what this test judges by can tell right from wrong"""
    right = ["volumecryptctl wipe ID --confirm=ID", "volumecryptctl remove-key ID 3", "volumecrypt-engine sync ID --verify",
             "cryptsetup reencrypt --resume-only ID", "systemctl daemon-reload", "openssl pkey -pubout", "lsblk ID"]
    wrong = ["volumecryptctl rotate-volumes ID", "volumecryptctl wipe ID --force", "volumecryptctl lock ID 3",
             "volumecrypt-engine recrypt ID", "volumecrypt-engine sync --confirmed", "cryptsetup luksRestore ID",
             "cryptsetup reencrypt --resume ID", "cryptsetup repair", "systemctl refresh", "openssl pkey -public", "lsblk --luks", "vcrypt list"]
    equal([command for command in right if problem_of(command)], [])
    equal([command for command in wrong if not problem_of(command)], [])


def test_messages():
    """every command in a message exists, with its verb and options"""
    found = []
    for where, text in messages():
        inside, rest = commands_in(where, text)
        found += inside
        # In a sentence a command stands between backticks, where people see it, and this test.
        rest = re.sub(r"'[a-z-]+ --help'|^Usage: .*$|^usage: .*$", "", rest, flags=re.MULTILINE)
        name = NAMED.search(rest)
        # "… cryptsetup or another program" is no command.
        if " " in rest.strip() and name and not (name.group(0) == "cryptsetup" and
                                                 rest[name.end():].startswith(" or another program")):
            found.append((where, f"not between backticks: {name.group(0)}"))
    check(found, 40)


def test_followed():
    """every command in a message was followed: the list says by which test, or that it was by hand, and has no others"""
    found = {command for where, text in messages() for _, command in commands_in(where, text)[0]}
    catalog = re.sub(r"@[A-Z_]+@", "ID", (SOURCE / "systemd/volumecrypt.catalog").read_text(encoding="utf-8"))
    found |= {command for _, command in commands_in("catalog", catalog)[0]}
    lines = (SOURCE / "tests/man/hints.txt").read_text(encoding="utf-8").splitlines()
    listed = dict(line.split(" | ", 1) if line.count(" | ") == 1 else line.rsplit(" | ", 1)
                  for line in lines if not line.startswith("#"))
    equal(sorted(found ^ set(listed)), [])
    for command, how in listed.items():
        where, word = how.split(": ", 1)
        known = where == "by hand" or word in (SOURCE / where).read_text(encoding="utf-8")
        equal((command, where, known), (command, where, True))


def is_of_coreutils(command):
    """Names that are words as well, so that they count as commands between backticks alone."""
    words = command.split()
    return words[0] in ("chmod", "chown", "echo", "truncate") and all(
        commands.has_option(commands.help_of(words[0]), option) for option in commands.options_of(words))


def test_other_quotes():
    """what else stands between backticks in a message is a word of the configuration, or a command of coreutils"""
    files = [*(SOURCE / "src/config").glob("*.cpp"), SOURCE / "src/model/key_kind.h"]
    loader = "".join(path.read_text(encoding="utf-8") for path in files)
    known = set(re.findall(r'"([A-Za-z]+)"', loader))
    wrong = []
    for where, text in messages():
        commanded = [command for _, command in commands_in(where, text)[0]]
        # The command line explains its own words: "The job's number, as `jobs` prints it".
        wrong += [(where, quoted) for quoted in texts.backticked(text)[0]
                  if quoted not in commanded and not is_of_coreutils(quoted) and re.split(r"[.: ]", quoted)[0] not in known
                  and where not in {"command_line.cpp", "commands_jobs.cpp"}]
    equal(wrong, [])


def test_catalog():
    """every command in the message catalog exists"""
    text = (SOURCE / "systemd/volumecrypt.catalog").read_text(encoding="utf-8")
    found, rest = commands_in("catalog", re.sub(r"@[A-Z_]+@", "ID", text))
    check(found, 2)
    equal(NAMED.findall(rest), [])


def test_pages():
    """every command in a man page exists"""
    found = []
    for path in sorted((SOURCE / "man").glob("*.[1578]")):
        lines = texts.commands_of_page(path.read_text(encoding="utf-8"))
        found += [(path.name, line) for line in lines if NAMED.match(re.sub(r"^\./|^until ", "", line))]
    check(found, 15)


def test_readme():
    """every command in the README exists"""
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    found, _ = commands_in("README.md", text)
    for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
        found += [("README.md", part.strip()) for part in line.split("&&") if NAMED.match(part.strip())]
    check(found, 3)
    equal([tool for tool in re.findall(r"\btools/[a-z-]+", text) if not (SOURCE / tool).is_file()], [])


def test_bus_documentation():
    """every command in the bus documentation exists"""
    for path in sorted((SOURCE / "dbus").glob("*.xml")):
        for text in texts.texts_of_xml(path):
            found, rest = commands_in(path.name, text)
            check(found, 0)
            equal((path.name, NAMED.findall(rest)), (path.name, []))


def test_methods_not_yet_there():
    """a method that answers Unsupported is documented as such, and no message sends anybody to it"""
    volume = (SOURCE / "src/bus/volume.cpp").read_text(encoding="utf-8")
    missing = re.findall(r"^void BusVolume::(\w+)\([^{]*\{\n    notYet<", volume, re.MULTILINE)
    xml = (SOURCE / "dbus/org.example.VolumeCrypt.Volume.xml").read_text(encoding="utf-8")
    sentences = [(where, text) for where, text in messages() if " " in text]
    sentences.append(("catalog", (SOURCE / "systemd/volumecrypt.catalog").read_text(encoding="utf-8")))
    for method in missing:
        documented = re.search(rf'<method name="{method}">(.*?)</method>', xml, re.DOTALL).group(1)
        equal((method, "Not in this version: answers Unsupported." in " ".join(documented.split())), (method, True))
        # "Encrypt" begins sentences, too.
        named = [where for where, text in sentences if re.search(rf"\b{method}\b", text)] if method[1:] != method[1:].lower() else []
        equal((method, named), (method, []))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
