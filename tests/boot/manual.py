# SPDX-License-Identifier: Apache-2.0
"""Does in the machine what a section of the manual says: writes its files, runs its commands, at a terminal where
somebody has to answer."""
import dataclasses
import json
import pathlib
import re

from applying import APPLY, applies

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERSON = ROOT / "tests/support/person.py"
SUPPORT = "/run/vmtest/support"
# What is typed may be what was shown before, such as a new recovery key: a pattern in a list of one.
# Who is not asked types nothing (systemd remembers a passphrase for a while): the exit code tells.
TERMINAL = """
import json, os, re, sys
from person import Person
command, dialogue, seconds = json.load(sys.stdin)
with Person(["bash", "-c", command], {**os.environ, "TERM": "dumb"}, seconds) as person:
    for prompt, typed in dialogue:
        try:
            person.reads(prompt)
        except AssertionError:
            break
        if isinstance(typed, list):
            typed = re.search(typed[0], person.seen).group(0)
        person.types_secret(typed + "\\n")
    code = person.leaves()
print(person.plain(), end="")
sys.exit(code)
"""

# What was done so far: (page, block).
followed = set()


@dataclasses.dataclass(frozen=True)
class Act:
    """A command, or a file to write: then `text` is what is in it."""
    command: str
    text: str = ""

    @property
    def path(self):
        return self.command.removeprefix("cat ")


def blocks(page, section):
    """The literal blocks of a section or subsection, as they are shown."""
    text = (ROOT / "man" / page).read_text(encoding="utf-8")
    found = re.search(rf"^\.S[hs] {re.escape(section)}\n(.*?)(?=^\.S[hs] |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"{page} has no section {section}")
    return [block.replace("\\e", "\\") for block in
            re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", found[1], re.MULTILINE | re.DOTALL)]


def acts(block):
    """What a block says to do: a line behind "# " or "$ " is a command, and what follows `cat FILE` that file."""
    found = []
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        if line.startswith(("# ", "$ ")):
            found.append(Act(line[2:]))
        elif found and found[-1].command.startswith("cat /"):
            found[-1] = Act(found[-1].command, found[-1].text + line + "\n")
    return found


def at_terminal(machine, command, dialogue, seconds=300):
    """Runs a command for somebody who answers: (what is asked, what is typed) in turn."""
    if not machine.run(f"test -e {SUPPORT}/person.py").ok:
        machine.write(f"{SUPPORT}/person.py", PERSON.read_text(encoding="utf-8"))
        machine.write(f"{SUPPORT}/terminal.py", TERMINAL)
    machine.write("/run/vmtest/dialogue", json.dumps([command, dialogue, seconds]), mode="0600")
    return machine.run(f"python3 {SUPPORT}/terminal.py </run/vmtest/dialogue", seconds + 30)


def do(check, machine, act, answers):
    """One act, which must succeed; what it says. `answers` has the dialogue of each command that asks, by how it
    begins."""
    if act.text:
        machine.write(act.path, act.text, mode="0600")
        return ""
    if act.command == APPLY:
        return applies(check, machine)
    dialogue = next((given for begin, given in answers.items() if act.command.startswith(begin)), None)
    outcome = at_terminal(machine, act.command, dialogue) if dialogue else machine.run(act.command, 300)
    check.fact(f"`{act.command}`", outcome.ok, f"exit {outcome.code}\n{outcome.output}")
    return outcome.output


def follow(check, machine, page, section, answers=None, only=None):
    """Does what a section says; `only`: of these blocks, counted from 0. What all of it said."""
    said = ""
    for number, block in enumerate(blocks(page, section)):
        if only is None or number in only:
            for act in acts(block):
                said += do(check, machine, act, answers or {})
            followed.add((page, block))
    return said


def forgotten(page, part):
    """The blocks of a section of a page, and its subsections, with something to do in them that nobody has followed."""
    text = (ROOT / "man" / page).read_text(encoding="utf-8")
    found = re.search(rf"^\.Sh {re.escape(part)}\n(.*?)(?=^\.Sh |\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise LookupError(f"{page} has no section {part}")
    sections = [part, *dict.fromkeys(re.findall(r"^\.Ss (.*)$", found[1], re.MULTILINE))]
    return [block for section in sections for block in blocks(page, section)
            if acts(block) and (page, block) not in followed]
