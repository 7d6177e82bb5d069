#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/test counts what meson's result files say, takes no broken run for a good one, and builds what its suites
need (TAP)."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "lib"))
import results  # noqa: E402  pylint: disable=wrong-import-position
import suites  # noqa: E402  pylint: disable=wrong-import-position
import trees  # noqa: E402  pylint: disable=wrong-import-position

GTEST = ('<testsuite name="volumecrypt.model.Record" tests="3">{}</testsuite>')
PASS, FAIL = '<testcase name="a"/>', '<testcase name="b"><failure/></testcase>'
SKIP, OFF = '<testcase name="c"><skipped/></testcase>', '<testcase name="d" status="notrun"/>'
SINGLE = '<testsuite name="volumecrypt"><testcase name="layers"/></testsuite>'
CASES = [
    # what it shows, junit, (test, result), passed, failed, skipped
    ("cases of a gtest program", GTEST.format(PASS + FAIL + SKIP + OFF), [("model", "FAIL")], (1, 1, 2)),
    ("a test of one result", SINGLE, [("layers", "OK")], (1, 0, 0)),
    ("two tests", GTEST.format(PASS + PASS) + SINGLE, [("model", "OK"), ("layers", "OK")], (3, 0, 0)),
    ("a program that fails after its cases passed", GTEST.format(PASS), [("model", "FAIL")], (1, 1, 0)),
    ("a time-out", GTEST.format(PASS), [("model", "TIMEOUT")], (1, 1, 0)),
    ("a program that crashed before any case", "", [("model", "ERROR")], (0, 1, 0)),
    ("a program without a case", GTEST.format(""), [("model", "OK")], (0, 1, 0)),
    ("a whole test that was skipped", "", [("model", "SKIP")], (0, 1, 0)),
]


def counted(junit, runs):
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        logs = pathlib.Path(folder, "meson-logs")
        logs.mkdir()
        (logs / "testlog-x.junit.xml").write_text(f"<testsuites>{junit}</testsuites>", encoding="utf-8")
        lines = [json.dumps({"name": name, "result": result, "returncode": 0}) for name, result in runs]
        (logs / "testlog-x.json").write_text("\n".join(lines), encoding="utf-8")
        counts = results.count_results(pathlib.Path(folder), "testlog-x")
    return counts["passed"], counts["failed"], counts["skipped"]


def points(*outputs):
    """What is said of runs with this output."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "meson-logs").mkdir()
        lines = "\n".join(json.dumps({"name": "a", "stdout": output}) for output in outputs)
        pathlib.Path(folder, "meson-logs", "testlog-x.json").write_text(lines, encoding="utf-8")
        return results.points_line(pathlib.Path(folder), "testlog-x")


def test_turns():
    """of tests that take turns one turn runs, in the long form all of them and those that are run by hand"""
    def runs(*groups, long=False):
        return suites.in_turn({"suite": [f"volumecrypt:{group}" for group in groups]}, long)
    turns = [runs("boot", f"turn-{number}") for number in range(suites.TURNS)]
    told = [runs("boot"), sum(turns), runs("boot", "by-hand"), runs("boot", "by-hand", long=True),
            all(runs("boot", f"turn-{number}", long=True) for number in range(suites.TURNS))]
    if told != [True, 1, False, True, True]:
        return str(told)
    return ""


def test_points():
    """interrupted writes are summed up"""
    for outputs, wanted in (((), ""), (("ok 1 - a\n",), ""), (("# 70 points tried, 0 lost\n",), "70 points tried, 0 lost"),
                            (("1..1\n# 2 points tried, 1 lost\n", "# 3 points tried, 2 lost\n"),
                             "5 points tried, 3 lost")):
        if points(*outputs) != wanted:
            return f"{outputs}: {points(*outputs)}"
    return ""


def test_budgets():
    """each step says what it took; one over its budget says so loudly and fails nothing"""
    now = [0.0]

    def take(seconds, counts=None):
        now[0] += seconds
        return counts
    with contextlib.redirect_stdout(io.StringIO()):
        report = results.Report(clock=lambda: now[0])
        report.run("build", 10, lambda: take(12))
        report.run("unit", 5, lambda: take(5, results.Counts(passed=2, failed=1)))
        report.run("new", None, lambda: take(1000, results.Counts(skipped=1)))
    got = list(report.lines())
    wanted = ["build            12 s of 10 s", "unit             5 s of 5 s      2 passed, 1 failed, 0 skipped",
              "new              1000 s          0 passed, 0 failed, 1 skipped", "altogether       1017 s",
              "!!! OVER BUDGET: build took 12 s, its budget is 10 s !!!"]
    if got != wanted:
        return f"{got}"
    return "" if str(report.total()) == "2 passed, 1 failed, 1 skipped" else str(report.total())


class FakeTree(trees.Tree):
    """A tree of which meson says this."""

    def _introspect(self, what):
        return {"targets": [{"id": one, "type": "executable", "installed": one == "program",
                             "filename": [f"{self.folder}/src/{one}"]} for one in ("program", "helper", "of_others")],
                "tests": [{"name": "a", "suite": ["p:unit", "p:plain"], "depends": ["helper", "program"]},
                          {"name": "b", "suite": ["p:bus"], "depends": ["of_others"]},
                          {"name": "c", "suite": ["p:fresh"], "depends": []}]}[what]


def test_what_is_built():
    """a suite builds the programs and what its tests depend on"""
    tree = FakeTree("somewhere")
    for wanted, names in ((["src/helper", "src/program"], ["unit"]),
                          (["src/helper", "src/program"], ["plain", "fresh"]),
                          (["src/of_others", "src/program"], ["bus"]), (["src/program"], ["absent"])):
        if tree.files_for(names) != wanted:
            return f"{names}: {tree.files_for(names)}"
    return ""


def test_what_runs():
    """a run without names is never a smaller one because a suite is missing, and takes suites that are new"""
    kept, suites.PLAIN = suites.PLAIN, FakeTree("somewhere")
    try:
        commands = {one for one, command in suites.COMMANDS.items() if (suites.ROOT / command[0]).exists()}
        run = suites.Run(long=False)
        if set(run.chosen(set())) != suites.EXPECTED | {"fresh"} or run.chosen(set())[-1] != "boot":
            return f"{run.chosen(set())}"
        if set(suites.Run(long=True).chosen(set())) != suites.EXPECTED | {"fresh", "unit", "bus"} | commands:
            return f"long: {suites.Run(long=True).chosen(set())}"
        with contextlib.redirect_stdout(io.StringIO()):
            run.suite("dm")
            missing = run.several(suites.PLAIN, ["dm", "contract"])["failed"]
        return "" if run.report.total()["failed"] == 1 and missing == 2 else "a suite that is not there is no failure"
    finally:
        suites.PLAIN = kept


def main():
    failed = 0
    tests = [test_turns, test_points, test_budgets, test_what_is_built, test_what_runs]
    print(f"1..{len(CASES) + len(tests)}")
    for number, (name, junit, runs, wanted) in enumerate(CASES, 1):
        got = counted(junit, runs)
        failed += got != wanted
        print(f"{'ok' if got == wanted else 'not ok'} {number} - {name}")
        if got != wanted:
            print(f"# got {got}, wanted {wanted}")
    for number, test in enumerate(tests, len(CASES) + 1):
        problem = test()
        failed += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {number} - {test.__doc__}")
        if problem:
            print(f"# {problem}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
