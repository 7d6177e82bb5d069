# SPDX-License-Identifier: Apache-2.0
"""Facts that a scenario checks: printed one by one as they are known, and counted."""
import sys
import traceback


class Checks:
    """With tap=True the lines are TAP for meson, otherwise text for people."""

    def __init__(self, tap):
        self._tap = tap
        self.passed = self.failed = 0

    def section(self, title):
        print(f"# {title}" if self._tap else f"\n{title}", flush=True)

    def fact(self, text, holds, detail=""):
        """Records that `text` is (not) so; `detail`, or what it returns, is shown when it is not."""
        number = self.passed + self.failed + 1
        if self._tap:
            print(f"{'ok' if holds else 'not ok'} {number} - {text.replace('#', 'no. ')}", flush=True)
        else:
            print(f"  {'ok    ' if holds else 'FAILED'} {text}", flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            told = detail() if callable(detail) else detail
            self.note(told)
            if self._tap:  # meson shows only this stream of a test that failed
                print(f"# {text}: {told}", file=sys.stderr, flush=True)
        return bool(holds)

    def equal(self, text, got, wanted):
        return self.fact(text, got == wanted, f"got {got!r}, wanted {wanted!r}")

    def note(self, text):
        for line in str(text).rstrip().splitlines():
            print(f"# {line}" if self._tap else f"         {line}", flush=True)

    def run(self, scenario, *arguments):
        """Runs a scenario; what it raises is one more fact that does not hold. Returns the exit code."""
        try:
            scenario(self, *arguments)
        except Exception as error:  # pylint: disable=broad-except
            self.fact(f"the scenario goes on after: {type(error).__name__}", False, traceback.format_exc())
        if self._tap:
            print(f"1..{self.passed + self.failed}", flush=True)
        else:
            print(f"\n{self.passed} facts held, {self.failed} did not.", flush=True)
        return 1 if self.failed or not self.passed else 0


def main(scenario, *arguments):
    sys.exit(Checks(tap=True).run(scenario, *arguments))
