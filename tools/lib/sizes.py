#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the sizes of what is below src/: functions of at most 60 lines, and headers that say enough to be worth a file.
usage: sizes.py FILE..."""
import pathlib
import re
import statistics
import sys

LONGEST_FUNCTION = 60  # from its first line to its closing brace; lambdas in it count
SMALLEST_MEDIAN = 40   # lines of a header
# How a statement begins whose braces are no function's.
OTHERS = re.compile(r"\s*(namespace|class|struct|union|enum|extern|using|template <[^>]*> (class|struct))\b|\s*#|\s*//")
# Nor are labels, the rows of tables, and statements.
NO_FUNCTION = re.compile(r"\w+:$|\{|[^()]*= |(if|for|while|switch|do|else|return)\b")


def functions(lines):
    """(number of the first line, name, number of lines); by the layout that clang-format gives to every file."""
    begin = None  # of the statement at hand
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        # Of namespaces, and of classes in them.
        if indent not in (0, 4) or not line.strip() or OTHERS.match(line) or line.lstrip().startswith("}"):
            begin = None if indent in (0, 4) else begin
        elif begin is None or indent <= begin[1]:
            begin = (number, indent)
        if begin is None or not line.rstrip().endswith("{"):
            continue
        head = " ".join(part.strip() for part in lines[begin[0]:number + 1])
        if "(" not in head or NO_FUNCTION.match(head):
            begin = None
            continue
        close = " " * begin[1] + "}"
        for end in range(number + 1, len(lines)):
            if lines[end].startswith(close):
                name = re.search(r"([\w:~]+)\(", head)
                yield begin[0] + 1, name.group(1) if name else head, end - begin[0] + 1
                break
        begin = None


def main():
    problems, headers = [], []
    for name in sys.argv[1:]:
        lines = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
        if name.endswith(".h"):
            headers.append(len(lines))
        problems += [f"{name}:{first}: {function}() has {size} lines, more than {LONGEST_FUNCTION}"
                     for first, function, size in functions(lines) if size > LONGEST_FUNCTION]
    if headers and (median := statistics.median(headers)) <= SMALLEST_MEDIAN:
        problems.append(f"half of the headers have {median:.0f} lines or fewer: a thin one belongs into its neighbour")
    print("\n".join(problems) or f"half of {len(headers)} headers have more than {SMALLEST_MEDIAN} lines")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
