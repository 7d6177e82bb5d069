#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over changed (or all) sources in parallel, remembering which were clean."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUDGET_SECONDS = 25


def git(*arguments):
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.split() if result.returncode == 0 else []


def changed_sources():
    head = git("rev-parse", "HEAD")
    base = git("merge-base", "HEAD", "origin/main") or git("merge-base", "HEAD", "main")
    if not base or base == head:
        base = git("rev-parse", "HEAD~1")
    return set(git("diff", "--name-only", "--diff-filter=d", *base, "--", "*.cpp") +
               git("ls-files", "--others", "--exclude-standard", "--", "*.cpp"))


def make_generated_headers(build):
    """Headers that the build makes must be there before a file that includes them is read."""
    targets = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], capture_output=True,
                             text=True, check=True).stdout
    headers = re.findall(r"^(\S+\.h): CUSTOM_COMMAND", targets, re.MULTILINE)
    if headers:
        subprocess.run(["ninja", "-C", build, *headers], check=True, stdout=subprocess.DEVNULL)


def compile_commands(build):
    """Source -> its entry; for a file that a unity build made of many sources, an entry for each."""
    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        sources = [path]
        if re.search(r"-unity\d+\.cpp$", path.name):
            text = path.read_text(encoding="utf-8")
            sources = [pathlib.Path(name).resolve() for name in re.findall(r'^#include\s*[<"](.+)[>"]', text, re.MULTILINE)]
        for source in sources:
            if source.is_relative_to(ROOT) and not source.is_relative_to(build):
                command = entry["command"].replace(entry["file"], str(source))
                entries[source.relative_to(ROOT).as_posix()] = {**entry, "file": str(source), "command": command}
    return entries


def common_hash():
    """Of all that every verdict depends on: the checks and the headers."""
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for folder in ("src", "tests"):
        for header in sorted((ROOT / folder).rglob("*.h")):
            digest.update(header.read_bytes())
    return digest


def fingerprint(common, entry):
    digest = common.copy()
    digest.update(pathlib.Path(entry["directory"], entry["file"]).read_bytes())
    digest.update(entry["command"].encode())
    return digest.hexdigest()


def tidy(commands, source, seconds):
    """Output of a failed run, "" when clean, None when there was no time."""
    if seconds is not None and seconds <= 1:
        return None
    try:
        # The flags are gcc's; clang need not know them all.
        result = subprocess.run(
            ["clang-tidy", "--quiet", "-p", commands, "--extra-arg=-Wno-unknown-warning-option", source],
            cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    noise = re.compile(r"^\d+ warnings? (and \d+ errors? )?generated\.$|^Suppressed ", re.MULTILINE)
    return result.stdout + noise.sub("", result.stderr).lstrip() if result.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("build")
    arguments = parser.parse_args()
    build = (ROOT / arguments.build).resolve()
    make_generated_headers(build)
    entries = compile_commands(build)
    wanted = set(entries) if arguments.all else changed_sources() & set(entries)
    cache = build / "tidy-clean"
    cache.mkdir(exist_ok=True)
    # What clang-tidy reads.
    (cache / "compile_commands.json").write_text(json.dumps(list(entries.values())), encoding="utf-8")
    common = common_hash()
    marks = {name: cache / fingerprint(common, entries[name]) for name in sorted(wanted)}
    todo = [name for name in marks if not marks[name].exists()]
    deadline = None if arguments.all else time.monotonic() + BUDGET_SECONDS

    def run(name):
        return tidy(cache, name, deadline and deadline - time.monotonic())

    bad, late = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, output in zip(todo, pool.map(run, todo)):
            if output is None:
                late.append(name)
            elif output:
                bad.append(output)
            else:
                marks[name].touch()
    print("".join(bad), end="")
    print(f"{len(wanted) - len(bad) - len(late)} sources clean, {len(bad)} not" +
          (f"; no time for {len(late)} (tools/check --all)" if late else ""))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
