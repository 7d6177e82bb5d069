#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The man pages say what the programs, the loader and the D-Bus interface are (TAP).
usage: test_man.py SOURCE VOLUMECRYPTCTL ENGINE DAEMON GENERATOR [KMS_SERVER]"""
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.key_kinds import key_kinds, kinds_that_are  # noqa: E402
from support.tap import equal, run, tests_of  # noqa: E402

SOURCE = pathlib.Path(sys.argv[1])
VOLUMECRYPTCTL, ENGINE, DAEMON, GENERATOR = sys.argv[2:6]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (SOURCE / "man").glob("*.[1578]")}


def help_of(program, *words):
    return subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout


def long_options(text):
    """Options of a --help text."""
    return set(re.findall(r"^ +(?:-\w,)?(--[a-z-]+)", text, re.MULTILINE))


def section(page, title, level="Sh"):
    """The lines of a section or (level Ss) subsection."""
    found = re.search(rf"^\.{level} {re.escape(title)}\n(.*?)(?=^\.S[h{'s' if level == 'Ss' else ''}] |\Z)", PAGES[page],
                      re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found.group(1)


def tags(text, macro):
    """What `.It MACRO ...` lines begin with; several in one line are separated by " , "."""
    names = []
    for line in re.findall(rf"^\.It {macro} (.*)$", text, re.MULTILINE):
        names += re.split(r" , ", line)
    return names


def documented_options(page):
    """Every `.It Fl` of a page, as --name."""
    names = set()
    for tag in tags(PAGES[page], "Fl"):
        names.add("--" + re.search(r"(?:^|Fl )-([a-z-]+)", tag).group(1) if "-" in tag else None)
    return names - {None}


def test_ctl_commands():
    """volumecryptctl(1) has the commands of --help"""
    text = help_of(VOLUMECRYPTCTL)
    commands = re.findall(r"^  ([a-z-]+) ", text[text.index("\nShow:"):text.index("\nWithout a command")], re.MULTILINE)
    assert len(commands) > 15, commands
    page = PAGES["volumecryptctl.1"]
    documented = [tag.split()[0] for tag in tags(page[:page.index(".Ss Options")], "Cm")]
    equal(sorted(documented), sorted(commands))
    for command in commands:
        mine = long_options(help_of(VOLUMECRYPTCTL, command)) - {"--help"}
        shown = next(tag for tag in tags(page, "Cm") if tag.split()[0] == command)
        equal((command, set("--" + name for name in re.findall(r"Fl -([a-z-]+)", shown))), (command, mine))
        needed = re.search(rf"^Usage: volumecryptctl {command} \[OPTIONS\](.*)$", help_of(VOLUMECRYPTCTL, command),
                           re.MULTILINE).group(1).replace("...", "").split()
        words = [("[{}]" if optional else "{}").format(name)
                 for optional, names in re.findall(r"(?<!= )(Op )?Ar ([A-Z ]+)", re.sub(r"Oo .*? Oc ?", "", shown + " "))
                 for name in names.split()]
        equal((command, words), (command, needed))


def test_ctl_options():
    """volumecryptctl(1) has the options of --help"""
    commands = re.findall(r"^  ([a-z-]+) ", help_of(VOLUMECRYPTCTL).split("\nShow:")[1], re.MULTILINE)
    options = long_options(help_of(VOLUMECRYPTCTL))
    for command in commands:
        if re.match(r"[a-z-]+$", command) and command in PAGES["volumecryptctl.1"]:
            options |= long_options(help_of(VOLUMECRYPTCTL, command))
    equal(documented_options("volumecryptctl.1"), options)


def test_exit_codes():
    """volumecryptctl(1) has the exit codes of --help, and the engine the same"""
    codes = re.findall(r"^  (\d+) ", help_of(VOLUMECRYPTCTL).split("Exit codes:")[1], re.MULTILINE)
    equal(re.findall(r"^\.It (\d+)$", section("volumecryptctl.1", "EXIT STATUS"), re.MULTILINE), codes)
    equal(re.findall(r"^\.It (\d+)$", section("volumecrypt-engine.8", "EXIT STATUS"), re.MULTILINE), codes)
    equal(re.findall(r"\b(\d+) [a-z]", help_of(ENGINE).split("Exit status:")[1]), codes)


def test_engine():
    """volumecrypt-engine(8) has the verbs and options of --help"""
    text = help_of(ENGINE)
    verbs = re.findall(r"^  ([a-z-]+) +", text.split("\nVerbs:\n")[1].split("\n\n")[0], re.MULTILINE)
    assert len(verbs) >= 6, verbs
    equal(sorted(tags(section("volumecrypt-engine.8", "Verbs", "Ss"), "Cm")), sorted(verbs))
    equal(documented_options("volumecrypt-engine.8"), long_options(text))


def test_daemon():
    """volumecryptd(8) has the options of --help"""
    equal(documented_options("volumecryptd.8"), long_options(help_of(DAEMON)))


def test_kms_server():
    """volumecrypt-kms-server(8) has the options of --help"""
    for server in sys.argv[6:7]:
        equal(documented_options("volumecrypt-kms-server.8"), long_options(help_of(server)))


def signature(element):
    """NAME(TYPE NAME, ...) -> TYPE NAME, as the page writes it."""
    def listed(arguments):
        return ", ".join(f"{a.get('type')} {a.get('name')}" for a in arguments)
    arguments = element.findall("arg")
    out = [a for a in arguments if a.get("direction") == "out"]
    into = [a for a in arguments if a.get("direction") != "out"]
    return f"{element.get('name')}({listed(into)})" + (rf" \(-> {listed(out)}" if out else "")


def test_bus_members():
    """org.example.VolumeCrypt(5) has every member of dbus/*.xml with its types, and no other"""
    files = sorted((SOURCE / "dbus").glob("*.xml"))
    equal(len(files), 3)
    for file in files:
        interface = ET.parse(file).getroot().find("interface")
        text = section("org.example.VolumeCrypt.5", interface.get("name"))
        wanted = [f"{p.get('name')} {p.get('type')}" for p in interface.findall("property")]
        wanted += [signature(m) for m in interface.findall("method") + interface.findall("signal")]
        equal(tags(text, "Ic"), wanted)


def test_errors():
    """org.example.VolumeCrypt(5) has every error"""
    header = (SOURCE / "src/base/error.h").read_text(encoding="utf-8")
    codes = re.findall(r"^    (\w+),$", header[header.index("enum class ErrorCode"):header.index("};")], re.MULTILINE)
    assert len(codes) > 20, codes
    equal(tags(section("org.example.VolumeCrypt.5", "ERROR NAMES"), "Er"), codes)


def test_boot_promise():
    """only required volumes are said to be before local-fs.target, and what needs others is told how to wait"""
    pages = {"README.md": (SOURCE / "README.md").read_text(encoding="utf-8"), "volumecrypt.7": PAGES["volumecrypt.7"],
             "volumecrypt.yaml.5": section("volumecrypt.yaml.5", "mount", "Ss")}
    for name, text in pages.items():
        equal((name, "RequiresMountsFor=" in text), (name, True))
        for found in re.finditer(r"local-fs\.target", text):
            near = text[max(0, found.start() - 200):found.end() + 200]
            equal((name, near, "required" in near), (name, near, True))


def test_actions():
    """org.example.VolumeCrypt(5) has every polkit action, and names the one that a method needs"""
    policy = ET.parse(SOURCE / "polkit/org.example.VolumeCrypt.policy").getroot()
    actions = [a.get("id").removeprefix("org.example.VolumeCrypt.") for a in policy.findall("action")]
    page = section("org.example.VolumeCrypt.5", "AUTHORISATION")
    equal(sorted(tags(page, "Cm")), sorted(actions))
    methods = dict(re.findall(r"^\.It Cm ([a-z-]+)\n(.*)$", page, re.MULTILINE))
    for file in (SOURCE / "dbus").glob("*.xml"):
        for method in ET.parse(file).getroot().iter("method"):
            text = " ".join("".join(method.itertext()).split())
            needs = re.search(r"Needs ([a-z-]+)", text)
            action = needs.group(1) if needs and needs.group(1) != "no" else None
            named = {a for a, names in methods.items() if method.get("name") in names.split(", ")}
            equal((method.get("name"), named), (method.get("name"), {action} - {None}))


def loader_fields():
    """Every field that the configuration loader asks for."""
    names = set()
    for file in (SOURCE / "src/config").glob("*.cpp"):
        text = file.read_text(encoding="utf-8")
        names |= set(re.findall(r"(?:\.|->)(?:any|text|textNode|flag|number|map|list|texts|numbers)\(\"(\w+)\"\)", text))
        names |= set(re.findall(r"choice<[^>]+>\(\s*\"(\w+)\"", text))
        names |= set(re.findall(r"readPath\(\*?\w+, \"(\w+)\"\)", text))
        names |= set(re.findall(r"readTalosFlag\(\w+, \"(\w+)\"", text))
    names |= set(kinds_that_are("declarable"))
    assert {"unmanaged", "caFile", "deviceTimeout", "unlock"} <= names, names
    return names


def test_fields():
    """volumecrypt.yaml(5) has every field of the loader, and no other"""
    text = section("volumecrypt.yaml.5", "FIELDS")
    documented = {name for tag in tags(text, "Ic") for name in tag.split()}
    mentioned = set(re.findall(r"^\.Ic (\w+)", text, re.MULTILINE))
    fields = loader_fields()
    equal(sorted(documented - fields), [])
    equal(sorted(fields - documented - mentioned), [])


def test_key_kinds():
    """whoever lists kinds of keys lists those of the table"""
    text = section("volumecrypt.yaml.5", "One of encryption.keys", "Ss")
    equal([tag for tag in tags(text, "Ic") if tag in key_kinds()], kinds_that_are("declarable"))
    sealed, addable = kinds_that_are("sealed"), kinds_that_are("addable")
    *others, last = sealed
    anew = ", ".join(others) + " or " + last
    volume = (SOURCE / "dbus/org.example.VolumeCrypt.Volume.xml").read_text(encoding="utf-8")
    ctl = help_of(VOLUMECRYPTCTL)
    for name, page in {"bus": volume, **{page: PAGES[page] for page in ("org.example.VolumeCrypt.5", "volumecrypt-engine.8")},
                       "volumecryptctl": ctl}.items():
        found = re.findall(r"[Mm]akes? (?:the|a) (?:key of a )?([a-z, ]+?) (?:slot|key)\b", page)
        equal((name, [kinds for kinds in found if kinds != "recovery"]), (name, [anew]))
    rotate = re.search(r"^\.It Cm rotate-key .*?^key anew", PAGES["volumecryptctl.1"], re.MULTILINE | re.DOTALL).group()
    equal(re.findall(r"^\.Sy (\w+)", rotate, re.MULTILINE), sealed)
    listed = re.search(r"Slot, kind \(([^)]*)\)", volume).group(1).split(", ")
    equal(sorted(listed), sorted(set(key_kinds()) - {"unmanaged"}))
    equal(re.search(r"--kind[= ](\S+)", help_of(ENGINE)).group(1), "|".join(addable))


def test_examples():
    """the examples of volumecrypt.yaml(5) and volumecrypt(7) load without a complaint"""
    blocks = []
    for page in ("volumecrypt.yaml.5", "volumecrypt.7"):
        blocks += [b for b in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", PAGES[page], re.MULTILINE | re.DOTALL)
                   if "apiVersion:" in b]
    equal(len(blocks), 4)
    for number, block in enumerate(blocks):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "config")
            config.mkdir()
            text = "\n".join(line for line in block.splitlines() if not line.startswith("# "))
            (config / "example.yaml").write_text(text + "\n", encoding="utf-8")
            units = [str(pathlib.Path(folder, name)) for name in ("normal", "early", "late")]
            for unit in units:
                pathlib.Path(unit).mkdir()
            result = subprocess.run([GENERATOR, "--root", folder, "--config-dir", str(config), *units], check=False,
                                    capture_output=True, text=True, env={"SYSTEMD_IN_INITRD": "0", "SYSTEMD_LOG_TARGET": "console"})
            equal((number, result.returncode, result.stdout + result.stderr), (number, 0, ""))
            assert any(pathlib.Path(units[0]).glob("volumecrypt@*.service.d")), f"no units for example {number}"


def test_names():
    """whoever lists the names that a volume may have lists all of them"""
    model = (SOURCE / "src/model/volume_id.cpp").read_text(encoding="utf-8")
    names = re.findall(r'"([A-Z]+)"', re.search(r"kSystemNames\{(.*?)\}", model, re.DOTALL).group(1))
    equal(len(names), 5)
    texts = {**PAGES, "engine": help_of(ENGINE), "volumecryptctl": help_of(VOLUMECRYPTCTL, "keys")}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in (SOURCE / "dbus").glob("*.xml")}
    around = [(where, text[max(match.start() - 600, 0):match.end() + 600])
              for where, text in texts.items() for match in re.finditer("s-NAME", text)]
    equal(len(around), 9)
    equal([(where, name) for where, near in around for name in names if not re.search(rf"\b{name}\b", near)], [])


def test_references():
    """pages refer to each other by their names, in the order of mandoc(1)"""
    ours = {(name.rpartition(".")[0], name.rpartition(".")[2]) for name in PAGES}
    for page, text in PAGES.items():
        name, number = page.rpartition(".")[0], page.rpartition(".")[2]
        equal((page, re.search(r"^\.Dt (\S+) (\d)$", text, re.MULTILINE).groups()), (page, (name.upper(), number)))
        links = re.findall(r"^\.Xr (\S+) (\d)", text, re.MULTILINE)
        wrong = [link for link in links if link[0].lower().startswith(("volumecrypt", "org.example")) and link not in ours]
        equal((page, wrong), (page, []))
        see = re.findall(r"^\.Xr (\S+) (\d)", section(page, "SEE ALSO"), re.MULTILINE)
        equal((page, see), (page, sorted(see, key=lambda link: (link[1], link[0].lower()))))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
