#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three boots of the main story, and in the second one everything that the service must do (TAP)."""
import sys

import checks
import thin_path
from image import system_image
from service_checks import check_service

if __name__ == "__main__":
    checks.main(thin_path.scenario, system_image(*sys.argv[1:]), check_service)
