# SPDX-License-Identifier: Apache-2.0
"""The table of key kinds, src/model/key_kind.h, for tests of texts that name kinds."""
import pathlib
import re

HEADER = pathlib.Path(__file__).resolve().parents[2] / "src/model/key_kind.h"


def key_kinds():
    """Name -> what the row says is true of the kind, in the order of the table."""
    text = HEADER.read_text(encoding="utf-8")
    rows = re.findall(r"KeyKindRow\{(.*?)\}", text[text.index("kKeyKinds{"):], re.DOTALL)
    kinds = {re.search(r"\.name = \"(\w+)\"", row).group(1): set(re.findall(r"\.(\w+) = true", row)) for row in rows}
    listed = re.search(r"enum class KeyKind \{(.*?)\}", text).group(1).split(",")
    assert len(kinds) == len(listed) >= 8, kinds
    return kinds


def kinds_that_are(what):
    """The names of the kinds of which that is true."""
    names = [name for name, is_so in key_kinds().items() if what in is_so]
    assert names, what
    return names
