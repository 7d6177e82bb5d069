#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check-layers accepts what the layer table allows and names what it forbids (TAP)."""
import pathlib
import subprocess
import sys
import tempfile

CHECKER = pathlib.Path(__file__).parents[2] / "tools" / "check-layers"
CASES = [
    # file, its include line, part of the complaint (None: accepted)
    ("engine/attach.cpp", '#include "luks/mapping.h"', None),
    ("keys/tpm_key.cpp", '#include "tpm/sealer.h"', None),
    ("luks/header.cpp", "#include <libcryptsetup.h>", None),
    ("bus/manager.cpp", '#include "manager-adaptor.h"', None),
    ("base/files.cpp", "#include <sys/stat.h>", None),
    ("cli/main.cpp", "#include <CLI/CLI.hpp>", None),
    ("kms/client.cpp", '#include "kms.grpc.pb.h"', None),
    ("kms_server/options.cpp", "#include <CLI/CLI.hpp>", None),
    ("volume/unlock.cpp", "#include <grpcpp/channel.h>", "does not belong here"),
    ("keys/kms.cpp", '#include "kms/client.h"', "keys must not know kms"),
    ("base/files.cpp", '#include "model/names.h"', "base must not know model"),
    ("luks/header.cpp", '#include "blockdev/device.h"', "luks must not know blockdev"),
    ("daemon/jobs.cpp", '#include "engine/verbs.h"', "daemon must not know engine"),
    ("daemon/jobs.cpp", '#include "bus/job.h"', "daemon must not know bus"),
    ("volume/pin.cpp", '#include "engine/verbs.h"', "volume must not know engine"),
    ("bus/volume.cpp", "#include <sdbus-c++/sdbus-c++.h>", None),
    ("cli/client.cpp", '#include "bus/sdbus.h"', None),
    ("cli/session.cpp", '#include "bus/sdbus.h"', "cli must not know bus"),
    ("cli/client.cpp", '#include "bus/values.h"', "cli must not know bus"),
    ("daemon/jobs.cpp", "#include <sdbus-c++/sdbus-c++.h>", "does not belong here"),
    ("engine/attach.cpp", "  #  include <libcryptsetup.h>", "does not belong here"),
    ("config/loader.cpp", '#include "../model/names.h"', "not a path below src/"),
    ("config/loader.cpp", "#include <boost/asio.hpp>", "the table does not know"),
    ("extra/thing.cpp", "#include <vector>", "has no layer"),
]


def verdict(name, line):
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root, "src", name)
        path.parent.mkdir(parents=True)
        path.write_text(f"// a file\n{line}\n", encoding="utf-8")
        return subprocess.run([CHECKER, root], capture_output=True, text=True, check=False)


def main():
    print(f"1..{len(CASES)}")
    failed = 0
    for number, (name, line, complaint) in enumerate(CASES, 1):
        result = verdict(name, line)
        if complaint is None:
            good = result.returncode == 0
        else:
            good = result.returncode == 1 and complaint in result.stdout
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: {line.strip().replace('#', '')}")
        if not good:
            print(f"# got {result.returncode}: {result.stdout}{result.stderr}".rstrip())
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
