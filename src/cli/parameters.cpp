// SPDX-License-Identifier: Apache-2.0
// The texts here are part of --help.
#include "cli/parameters.h"

#include <utility>

namespace volumecrypt::cli {

Parameter volume() {
    return {.name = "ID",
            .help =
                "The volume: STATE, EPHEMERAL, u-NAME, r-NAME, s-NAME, IMAGECACHE, ETCD, CRI, "
                "KUBELET or LOG",
            .target = &Arguments::volume,
            .offer = Offer::Volumes,
            .required = true};
}

Parameter anyVolume() {
    return {.name = "ID",
            .help = "The volume; without it, all",
            .target = &Arguments::volume,
            .offer = Offer::Volumes};
}

Parameter slot(bool (*fits)(const SlotInfo &)) {
    return {.name = "SLOT",
            .help = "The key slot, 0 to 31",
            .target = &Arguments::slot,
            .offer = Offer::Slots,
            .required = true,
            .fits = fits};
}

Parameter secretFile(const char *help) {
    return {.name = "--secret-file",
            .help = help,
            .target = &Arguments::secretFile,
            .value = "FILE",
            .offer = Offer::Files};
}

Parameter confirm() {
    return {.name = "--confirm",
            .help = "The volume's ID once more, instead of being asked for it",
            .target = &Arguments::confirm,
            .value = "ID",
            .offer = Offer::Volumes};
}

Parameter rate() {
    return {.name = "--rate",
            .help = "Work on so many bytes a second at most",
            .target = &Arguments::rate,
            .value = "BYTES"};
}

Parameter engine() {
    return {.name = "--engine",
            .help = "",
            .target = &Arguments::engine,
            .value = "FILE",
            .offer = Offer::Files,
            .hidden = true};
}

Parameter flag(const char *name, bool Arguments::*target, const char *help,
               std::vector<std::string> excludes) {
    return {.name = name, .help = help, .target = target, .excludes = std::move(excludes)};
}

Parameters takesVolume() {
    return {volume()};
}

Parameters takesAnyVolume() {
    return {anyVolume()};
}

const Parameters &commonOptions() {
    static const Parameters options{
        flag("--json", &Arguments::json, "Print JSON, one document or one object a line"),
        flag("--no-wait", &Arguments::noWait,
             "Print the number of the job and do not wait for its end"),
        {.name = "--ask",
         .help = "Let polkit ask for authorisation (default: when standard input is a terminal)",
         .target = [](Arguments &arguments) { arguments.ask = true; }},
        {.name = "--no-ask",
         .help = "Never let polkit ask",
         .target = [](Arguments &arguments) { arguments.ask = false; },
         .excludes = {"--ask"}},
        {.name = "--address",
         .help = "Talk to the bus at this address",
         .target = &Arguments::address,
         .value = "ADDRESS"}};
    return options;
}

}  // namespace volumecrypt::cli
