#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Large libraries are mapped at start by the programs that cannot do without, and by no other (TAP).
usage: test_library_users.py KMS_PROGRAM,... OTHER,..."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402

USERS, OTHERS = (argument.split(",") for argument in sys.argv[1:3])


def mapped(program, names):
    """The libraries that the loader maps for a program; `names` is an expression."""
    shown = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    assert "libc.so" in shown, shown
    return sorted(set(re.findall(rf"^\s*(lib(?:{names})[^ ]*)", shown, re.MULTILINE)))


def grpc_of(program):
    """gRPC and protobuf."""
    return mapped(program, "grpc|gpr|proto")


def test_users():
    """the KMS programs map gRPC"""
    for program in USERS:
        assert any(name.startswith("libgrpc++") for name in grpc_of(program)), program


def test_others():
    """no other program does"""
    assert len(OTHERS) >= 4, OTHERS
    for program in OTHERS:
        equal((program, grpc_of(program)), (program, []))


def test_tpm():
    """no program maps tpm2-tss: the engine loads it when a run needs a TPM"""
    for program in USERS + OTHERS:
        equal((program, mapped(program, "tss2")), (program, []))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
