#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The body of tools/demo: the main story, told to a person."""
import sys

import thin_path
from checks import Checks
from image import system_image

if __name__ == "__main__":
    sys.exit(Checks(tap=False).run(thin_path.scenario, system_image(sys.argv[1])))
