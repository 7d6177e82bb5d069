# SPDX-License-Identifier: Apache-2.0
"""Runs test functions and prints TAP for meson."""
import sys
import traceback


def run(tests, make=None):
    """Runs each function of `tests`; with `make`, passes it a fresh fixture, a context manager.
    What a function raises is its failure. Ends the process."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = (test.__doc__ or test.__name__).strip().replace("#", "no. ").replace("\n", " ")
        try:
            if make is None:
                test()
            else:
                with make() as fixture:
                    test(fixture)
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().rstrip().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)


def tests_of(module):
    """The functions of a module's globals() whose names begin with test_, in the order written."""
    return [value for name, value in module.items() if name.startswith("test_") and callable(value)]


def equal(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def holds(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def lacks(text, part):
    assert part not in text, f"{part!r} is in {text!r}"
