# SPDX-License-Identifier: Apache-2.0
"""The build trees of tools/test: the programs as they are, and everything under the sanitizers."""
import collections
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# All sources of a library as one file: the headers are most of what there is to compile, so from nothing this takes a
# fifth of the time. That each source compiles by itself is shown by tools/check, which reads those that changed.
COMMON = ["--prefix=/usr", "-Dtests=true", "-Dsuites=unit,contract,crash,dm,bus,fuzz,boot", "-Dwerror=true", "-Dunity=on",
          "-Ddebug=false"]
# Lines for back-traces are enough; the rest of -g is a third of the compiler's time. A name at the head of one source
# is no mistake in another: builds without unity look for those.
CPP_ARGS = "-Dcpp_args=-g1 -Wno-shadow"


def environment():
    env = dict(os.environ)
    if shutil.which("ccache"):
        env.setdefault("CC", "ccache gcc")
        env.setdefault("CXX", "ccache g++")
    return env


def is_program(target):
    return target["installed"] and target["type"] == "executable"


class Tree:
    def __init__(self, folder, options=(), env=None):
        self.folder, self._options = ROOT / folder, options
        # What its tests run with.
        self.env = env or {}
        self._introspected = {}

    def configure(self):
        """Once: a tree that is there keeps its options, and hears of what changed in meson's files."""
        if (self.folder / "build.ninja").exists():
            subprocess.run(["ninja", "-C", self.folder, "--quiet", "build.ninja"], check=True)
        else:
            subprocess.run(["meson", "setup", self.folder, ROOT, *COMMON, CPP_ARGS, *self._options], check=True,
                           env=environment())

    def build(self, suites=None):
        """The programs, and what these suites run; everything without suites."""
        self.configure()
        subprocess.run(["ninja", "-C", self.folder, *([] if suites is None else self.files_for(suites))], check=True)

    def _introspect(self, what):
        if what not in self._introspected:
            out = subprocess.run(["meson", "introspect", f"--{what}", self.folder], check=True, capture_output=True,
                                 text=True).stdout
            self._introspected[what] = json.loads(out)
        return self._introspected[what]

    def suites(self):
        """Suite name -> its tests as meson tells of them."""
        found = collections.defaultdict(list)
        for test in self._introspect("tests"):
            for suite in test["suite"]:
                found[suite.rpartition(":")[2]].append(test)
        return found

    def files_for(self, suites):
        """What ninja is to make for these suites: programs that are installed, and what the tests depend on."""
        there = self.suites()
        wanted = {target for suite in suites for test in there.get(suite, []) for target in test["depends"]}
        files = [file for target in self._introspect("targets") if target["id"] in wanted or is_program(target)
                 for file in target["filename"]]
        return sorted(os.path.relpath(file, self.folder) for file in files)


PLAIN = Tree("build")
# Without optimisation: the sanitizers make the optimiser four times slower than the tests are.
SANITIZED = Tree("build-sanitize", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=0"],
                 {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
                  "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})
