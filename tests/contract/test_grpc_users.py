#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gRPC and protobuf are mapped by the programs that speak to or as a KMS, and by no other (TAP).
usage: test_grpc_users.py USER,... OTHER,..."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support.tap import equal, run, tests_of  # noqa: E402

USERS, OTHERS = (argument.split(",") for argument in sys.argv[1:3])


def grpc_of(program):
    """The libraries of gRPC that the loader maps for a program."""
    shown = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    assert "libc.so" in shown, shown
    return sorted(set(re.findall(r"^\s*(lib(?:grpc|gpr|proto)[^ ]*)", shown, re.MULTILINE)))


def test_users():
    """the KMS programs map gRPC"""
    for program in USERS:
        assert any(name.startswith("libgrpc++") for name in grpc_of(program)), program


def test_others():
    """no other program does"""
    assert len(OTHERS) >= 4, OTHERS
    for program in OTHERS:
        equal((program, grpc_of(program)), (program, []))


if __name__ == "__main__":
    run(tests_of(dict(globals())))
