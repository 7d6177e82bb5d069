#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/test counts what meson's result files say, and takes no broken run for a good one (TAP)."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "lib"))
import suites  # noqa: E402  pylint: disable=wrong-import-position

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
        counts = suites.count_results(pathlib.Path(folder), "testlog-x")
    return counts["passed"], counts["failed"], counts["skipped"]


def points(*outputs):
    """What is said of runs with this output."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "meson-logs").mkdir()
        lines = "\n".join(json.dumps({"name": "a", "stdout": output}) for output in outputs)
        pathlib.Path(folder, "meson-logs", "testlog-x.json").write_text(lines, encoding="utf-8")
        return suites.points_line(pathlib.Path(folder), "testlog-x")


def test_points():
    """Nothing when the sum of interrupted writes is told as it is."""
    for outputs, wanted in (((), ""), (("ok 1 - a\n",), ""), (("# 70 points tried, 0 lost\n",), "70 points tried, 0 lost"),
                            (("1..1\n# 2 points tried, 1 lost\n", "# 3 points tried, 2 lost\n"),
                             "5 points tried, 3 lost")):
        if points(*outputs) != wanted:
            return f"{outputs}: {points(*outputs)}"
    return ""


def main():
    failed = 0
    print(f"1..{len(CASES) + 1}")
    for number, (name, junit, runs, wanted) in enumerate(CASES, 1):
        got = counted(junit, runs)
        failed += got != wanted
        print(f"{'ok' if got == wanted else 'not ok'} {number} - {name}")
        if got != wanted:
            print(f"# got {got}, wanted {wanted}")
    problem = test_points()
    failed += bool(problem)
    print(f"{'not ok' if problem else 'ok'} {len(CASES) + 1} - interrupted writes are summed up {problem}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
