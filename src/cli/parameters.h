// SPDX-License-Identifier: Apache-2.0
// What several commands take: volume, slot, files with secrets, options of all.
#pragma once

#include "cli/command.h"

namespace volumecrypt::cli {

Parameter volume();
Parameter anyVolume();  // none: all
Parameter slot(bool (*fits)(const SlotInfo &));
Parameter secretFile(const char *help);
Parameter confirm();
Parameter rate();
Parameter engine();
Parameter flag(const char *name, bool Arguments::*target, const char *help,
               std::vector<std::string> excludes = {});

// What commands take that take nothing else.
Parameters takesVolume();
Parameters takesAnyVolume();

// The options that every command takes, but for --help and --version.
const Parameters &commonOptions();

}  // namespace volumecrypt::cli
