# SPDX-License-Identifier: Apache-2.0
"""What users read: messages out of the sources, man pages, catalog, bus documentation, README."""
import re
import xml.etree.ElementTree as ET

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?P<raw>.*?)\)"|"(?P<text>(?:[^"\\\n]|\\.)*)"|\'(?:[^\'\\\n]|\\.)+\'', re.DOTALL)
# What stands between two literals of one text: nothing, or a value that is put in there.
JOINED = re.compile(r"\s*")
VALUE = re.compile(r"\s*\+(?P<value>[^,;{}?]*)\+\s*")


def literals(source):
    """(where it begins, where it ends, text) of every string literal of a C++ source; comments are none."""
    for match in TOKEN.finditer(source):
        # A quote within a number is no character: 1'000'000.
        text = match["raw"] if match["raw"] is not None else match["text"]
        if text is not None:
            yield match.start(), match.end(), text.replace("\\n", "\n").replace('\\"', '"')


def messages(source):
    """The texts of a C++ source; a value that is known only at run time is ID."""
    source = "".join(line for line in source.splitlines(keepends=True) if not line.startswith("#include"))
    texts, end = [], None
    for begin, until, text in literals(source):
        between = source[end:begin] if end is not None else ";"
        value = VALUE.fullmatch(between)
        if JOINED.fullmatch(between):
            texts[-1] += text
        elif value and value["value"].count("(") == value["value"].count(")"):
            texts[-1] += "ID" + text
        else:
            texts.append(text)
        end = until
    return [re.sub(r"\{[^{}]*\}", "ID", text) if "`" in text else text for text in texts]


def commands_of_page(page):
    """Commands of a man page: in .Ic, .Li and .Cm lines, and in literal blocks."""
    lines = re.findall(r"^\.(?:Ic|Li|Cm|Dl) (.*?)(?: [.,;:])?$", page, re.MULTILINE)
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\e\n\s*", "", block).splitlines():
            lines += re.split(r"[;|<]\s*|&&", re.sub(r"^[$#] ", "", line))
    return lines


def texts_of_xml(path):
    return [" ".join("".join(element.itertext()).split()) for element in ET.parse(path).iter()
            if element.tag.endswith("}para") or element.tag.endswith("}summary")]


def backticked(text):
    """What stands between backticks, and what is left of the text without it."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)], re.sub(r"`[^`]*`", "``", text)
