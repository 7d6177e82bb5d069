// SPDX-License-Identifier: Apache-2.0
// A command of volumecryptctl as a row: its words, its help, and the function that runs it. Command
// line, --help, completion and dispatch come from these rows (commands.cpp lists them).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/arguments.h"
#include "cli/volume_info.h"

namespace volumecrypt::cli {

class Session;

// What a shell offers in the place of a value.
enum class Offer { Nothing, Volumes, Slots, Jobs, Commands, Files, Folders };

// A word that a command takes at its place ("ID"), or an option ("--verify").
struct Parameter {
    // Where the value goes, or what is done when an option without one is given.
    using Target =
        std::variant<bool Arguments::*, unsigned Arguments::*, std::uint64_t Arguments::*,
                     std::string Arguments::*, std::optional<std::string> Arguments::*,
                     std::vector<std::string> Arguments::*, void (*)(Arguments &)>;
    std::string name;
    std::string help;
    Target target;
    std::string value = {};  // of an option: what the help calls its value; empty: it has none
    Offer offer = Offer::Nothing;
    bool required = false;
    bool hidden = false;                       // for tests
    std::vector<std::string> excludes = {};    // options that come before it in the list
    bool (*fits)(const SlotInfo &) = nullptr;  // of Offer::Slots

    [[nodiscard]] bool isOption() const { return name.starts_with('-'); }
};
using Parameters = std::vector<Parameter>;

// What runs a command, and returns the exit code. A row without one does not compile.
class Runner {
  public:
    using WithService = int (*)(Session &);
    using Alone = int (*)(const Arguments &);

    // Implicit, so that a row just names its function. With a connection to the service:
    constexpr Runner(WithService run)  // NOLINT(google-explicit-constructor)
        : withService_(run) {}
    // Without one.
    constexpr Runner(Alone run) : alone_(run) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool needsService() const { return withService_ != nullptr; }
    int operator()(Session &session) const { return withService_(session); }
    int operator()(const Arguments &arguments) const { return alone_(arguments); }

  private:
    WithService withService_ = nullptr;
    Alone alone_ = nullptr;
};

struct Command {
    const char *group;  // of --help
    const char *name;
    const char *help;
    Parameters (*takes)() = nullptr;  // besides the options that every command takes
    Runner run;
    const char *footer = "";                // of its own --help
    Runner::Alone runWithoutBus = nullptr;  // root's way where there is no bus
    bool needsNoRight = false;              // it only reads: no agent has to be started for it
    bool takesNewVolumes = false;           // declared, and not read by the service yet
};

// The groups of --help.
inline constexpr const char *kShow = "Show";
inline constexpr const char *kChangeKeys = "Apply the configuration and change keys";
inline constexpr const char *kChangeVolumes = "Change volumes";
inline constexpr const char *kChangeJobs = "Change jobs";

}  // namespace volumecrypt::cli
