#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents for contributors say of the tree is true of it (TAP). In backticks they write a path of the
repository, `path: name(), Class::name()` for functions in that file, `path: "words"` for words in it, `Suite.Test` for
a test, and `volumecryptctl COMMAND`."""
import itertools
import pathlib
import re
import runpy
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402  pylint: disable=wrong-import-position

SOURCE = pathlib.Path(__file__).parents[2]
ARCHITECTURE, CONTRIBUTING, CHANGELOG = "docs/ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"
DOCUMENTS = [ARCHITECTURE, CONTRIBUTING, CHANGELOG]
FUNCTION = re.compile(r"(?:\w+::)*~?\w+\(\)")
# Of a file: with it a name like CHANGELOG.md is none of a test.
SUFFIX = re.compile(r"\.(md|build)$")


def text_of(document):
    return (SOURCE / document).read_text(encoding="utf-8")


def quoted_in(text):
    """What stands between backticks, a line end being a blank; blocks of code are not prose."""
    prose = re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE)
    assert prose.count("`") % 2 == 0, "a backtick without its other one"
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose)]


def code_in(text):
    """The lines of blocks of code. What continues an item of a list is indented by less."""
    return [line.strip() for line in text.splitlines() if re.match(r" {4,}\S", line)]


def files_of(path):
    """The files or folders that a path stands for."""
    return list(SOURCE.glob(path.rstrip("/"))) if "*" in path else [f for f in [SOURCE / path] if f.exists()]


def roots():
    """The folders in which a path of the repository begins."""
    return {path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith(("build", ".git"))}


def path_and_rest(quoted):
    """The path of the repository that a quotation begins with, and what is said of it; None for other quotations."""
    path, _, rest = quoted.partition(": ")
    if not re.fullmatch(r"[\w.@*+/-]+", path) or path.startswith(("/", "build/")):
        return None
    if "/" in path.rstrip("/"):
        return path, rest
    known = path.rstrip("/") in roots() and path.endswith("/")
    return (path, rest) if known or re.fullmatch(r"[A-Za-z]+\.(md|build)|meson_options\.txt", path) else None


def has_function(text, name):
    """Whether `name()` or `Class::name()` is declared or defined in a text: at the start of a line or, in a class, behind
    its type. A call is neither."""
    called = r"(?:\w+::)*" + re.escape(name.removesuffix("()"))
    return re.search(rf"^(?:(?! |return\b)[^\n(=;]*?[\s*&]|)(?<![\w:]){called}\(", text, re.MULTILINE) is not None or \
        re.search(rf"^    (?! |return\b|else\b)[^\n(=;]*[\s*&]{called}\(", text, re.MULTILINE) is not None


def problem_of(quoted):
    """What is wrong with a quotation; empty when nothing is."""
    found = path_and_rest(quoted)
    if found is None:
        return ""
    path, rest = found
    files = files_of(path)
    if not files:
        return f"{path} does not exist"
    if not rest:
        return ""
    if not files[0].is_file():
        return f"{path} is a folder"
    text = files[0].read_text(encoding="utf-8")
    if rest.startswith('"'):
        return "" if rest in text else f"{rest} is not in {path}"
    names = rest.split(", ")
    wrong = [name for name in names if not FUNCTION.fullmatch(name)]
    if wrong:
        return f"{wrong[0]} is not written as name()"
    wrong = [name for name in names if not has_function(text, name)]
    return f"{wrong[0]} is not in {path}" if wrong else ""


def sources():
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCE / "src").rglob("*"))
                     if path.suffix in {".cpp", ".h"})


def commands():
    """Those of volumecryptctl."""
    found = set()
    for path in (SOURCE / "src/cli").glob("commands_*.cpp"):
        found |= set(re.findall(r'\.name = "([a-z][a-z-]+)"', path.read_text(encoding="utf-8")))
    assert len(found) > 20, found
    return found


def table_in(text, heading):
    """The rows of the table that begins so, without the backticks."""
    lines = iter(text.splitlines())
    rows = itertools.takewhile(lambda line: line.startswith("|"),
                               itertools.dropwhile(lambda line: not line.startswith(heading), lines))
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split(" | ")] for row in list(rows)[2:]]


def test_the_judge():
    """what this test judges by can tell right from wrong"""
    right = ["src/volume/pin.cpp", "tests/fuzz/", "dbus/*.xml", "src/volume/pin.cpp: checkPin(), writePin()", "README.md",
             "src/volume/slot_changer.cpp: SlotChanger::apply()", 'tests/crash/scenarios.py: "swap two keys"', "/etc/volumecrypt",
             "a word", "std::string", "area: imperative summary"]
    wrong = ["src/volume/pins.cpp", "docs/*.html", "src/volume/pin.cpp: checkPins()", "src/volume/pin.cpp: checkPin",
             "src/volume/slot_changer.cpp: SlotChanged::apply()", 'tests/crash/scenarios.py: "swap three keys"',
             "src/engine/attach.cpp: lookAtDevice()", "src/engine/sync.cpp: checkStop()", "src/bus: Reply()", "NEWS.md", "volume/pin.cpp"]
    equal([quoted for quoted in right if problem_of(quoted)], [])
    equal([quoted for quoted in wrong if not problem_of(quoted)], [])


def test_paths():
    """every file and function that is named exists"""
    found = [(document, quoted) for document in DOCUMENTS for quoted in quoted_in(text_of(document))]
    assert sum(path_and_rest(quoted) is not None for _, quoted in found) > 150, "the search is broken"
    equal([(document, problem_of(quoted)) for document, quoted in found if problem_of(quoted)], [])


def test_functions_without_a_file():
    """a function that is named without its file is in the sources, too"""
    everything = sources()
    found = [quoted for document in DOCUMENTS for quoted in quoted_in(text_of(document)) if FUNCTION.fullmatch(quoted)]
    assert found, "the search is broken"
    equal([name for name in found if not has_function(everything, name)], [])


def test_tests():
    """every test that is named exists"""
    everything = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCE / "tests").rglob("*.cpp")))
    found = [quoted for document in DOCUMENTS for quoted in quoted_in(text_of(document))
             if re.fullmatch(r"[A-Z][A-Za-z]+\.[A-Z]\w+", quoted) and not SUFFIX.search(quoted)]
    assert len(found) > 5, "the search is broken"
    wrong = [name for name in found
             if not re.search(rf"TEST(?:_[FP])?\({re.sub('[.]', r',[ ]', name)}\)", everything)]
    equal(wrong, [])


def test_blocks_of_code():
    """every path of the repository in a block of code exists"""
    pattern = re.compile(rf"(?<![\w/.-])(?:{'|'.join(map(re.escape, sorted(roots())))})/[\w./-]+")
    found = [path for document in DOCUMENTS for line in code_in(text_of(document)) for path in pattern.findall(line)]
    assert found, "the search is broken"
    equal([path for path in found if not files_of(path)], [])


def test_layers():
    """the table of layers is that of tools/check-layers, folder by folder in its order"""
    layers = runpy.run_path(str(SOURCE / "tools/check-layers"))["LAYERS"]
    rows = table_in(text_of(ARCHITECTURE), "| Folder | May include |")
    documented = [(row[0], set() if row[1] == "nothing" else set(row[1].split(", "))) for row in rows]
    equal(sorted(documented, key=str), sorted(layers.items(), key=str))
    equal([name for name, _ in documented], sorted((name for name, _ in documented), key=list(layers).index))
    equal(sorted(layers), sorted(path.name for path in (SOURCE / "src").iterdir() if path.is_dir()))


def test_programs():
    """the table of programs has those that the build installs"""
    built = set()
    for path in (SOURCE / "src").glob("*/meson.build"):
        built |= set(re.findall(r"executable\('([a-z-]+)'", path.read_text(encoding="utf-8")))
    equal({row[0] for row in table_in(text_of(ARCHITECTURE), "| Program |")}, built)


def test_suites():
    """the table of suites has those of tools/test, in their order"""
    suites = runpy.run_path(str(SOURCE / "tools/lib/suites.py"))["ORDER"]
    equal([row[0] for row in table_in(text_of(CONTRIBUTING), "| Suite |")], suites)


def test_commands():
    """every command of volumecryptctl that is named exists"""
    found = []
    for document in DOCUMENTS:
        texts = quoted_in(text_of(document)) + code_in(text_of(document))
        found += [word for text in texts for word in re.findall(r"\bvolumecryptctl ([a-z-]+)", text)]
    assert len(found) > 5, "the search is broken"
    equal(sorted(set(found) - commands()), [])


def test_formats():
    """the versions and labels of what lies on disks are those of the code"""
    text = " ".join(text_of(ARCHITECTURE).split())
    derivations = (SOURCE / "src/keys/derivations.cpp").read_text(encoding="utf-8")
    labels = re.findall(r'"(volumecrypt [a-z]+ v\d+)"', derivations)
    assert len(labels) >= 4, labels
    equal([label for label in labels if f'"{label}"' not in text], [])
    for path, constant, heading in [("src/model/record.h", "kRecordVersion", "**Record**"),
                                    ("src/volume/pin_text.cpp", "kPinVersion", "**Pin**")]:
        version = re.search(rf"{constant} = (\d+);", (SOURCE / path).read_text(encoding="utf-8")).group(1)
        said = re.search(r"\| `version` \| (\d+)\b", text[text.index(heading):]).group(1)
        equal((path, said), (path, version))
    token = (SOURCE / "src/model/key_kind.h").read_text(encoding="utf-8")
    types = re.findall(r'TokenType = "([\w-]+)"', token)
    equal(sorted(row[0] for row in table_in(text_of(ARCHITECTURE), "| Type |")), sorted(types))


def test_version():
    """the newest entry of the change log is of the version that is built"""
    version = re.search(r"^  version: '([^']+)'", text_of("meson.build"), re.MULTILINE).group(1)
    equal(re.search(r"^## (?:\[)?([\d.]+)", text_of(CHANGELOG), re.MULTILINE).group(1), version)


def test_nothing_from_elsewhere():
    """no document names a place that only somebody's machine has, and the README leads to each of them"""
    readme = text_of("README.md")
    places = {"etc", "run", "var", "dev", "usr", "mnt"}
    for document in DOCUMENTS:
        named = [quoted for quoted in quoted_in(text_of(document)) if quoted.startswith("/")]
        equal((document, [path for path in named if path.split("/")[1] not in places]), (document, []))
        equal((document, f"`{document}`" in readme), (document, True))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
