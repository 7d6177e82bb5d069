// SPDX-License-Identifier: Apache-2.0
// From the rows of commands to a parser; what is common to all of them.
#include "cli/command_line.h"

#include <cstdio>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>
#include <build_config.h>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"

namespace volumecrypt::cli {
namespace {

constexpr const char *kProgram = "volumecryptctl";
constexpr const char *kDescription =
    "Show and control the encrypted volumes of this machine, as declared in "
    "/etc/volumecrypt/*.yaml.";
constexpr const char *kFooter =
    "Without a command: list. `volumecryptctl COMMAND --help` tells more about one.\n"
    "\n"
    "Exit codes:\n"
    "  0   done, or nothing to do\n"
    "  1   failed\n"
    "  2   plan: there are steps to do\n"
    "  64  the command line is wrong\n"
    "  75  failed, and worth trying again later\n"
    "\n"
    "See volumecryptctl(1).";
constexpr const char *kCommandFooter =
    "Options that every command takes: see `volumecryptctl --help`.";

// Makes CLI11's option of a parameter.
class Adder {
  public:
    Adder(CLI::App &app, Arguments &arguments, const Parameter &parameter)
        : app_(app), arguments_(arguments), parameter_(parameter) {}

    CLI::Option *operator()(bool Arguments::*target) {
        return app_.add_flag(parameter_.name, arguments_.*target, parameter_.help);
    }
    CLI::Option *operator()(void (*given)(Arguments &)) {
        return app_.add_flag_callback(
            parameter_.name, [&arguments = arguments_, given] { given(arguments); },
            parameter_.help);
    }
    CLI::Option *operator()(unsigned Arguments::*target) {
        return withValue(target)->check(CLI::Range(0U, 31U));
    }
    CLI::Option *operator()(std::uint64_t Arguments::*target) {
        return withValue(target)->check(CLI::PositiveNumber);
    }
    CLI::Option *operator()(std::vector<std::string> Arguments::*target) {
        // A word takes all that follow, an option one value each time that it is given.
        CLI::Option *option = withValue(target);
        return parameter_.isOption() ? option->allow_extra_args(false) : option;
    }
    template <typename Value>
    CLI::Option *operator()(Value Arguments::*target) {
        return withValue(target);
    }

  private:
    template <typename Value>
    CLI::Option *withValue(Value Arguments::*target) {
        return app_.add_option(parameter_.name, arguments_.*target, parameter_.help);
    }

    CLI::App &app_;
    Arguments &arguments_;
    const Parameter &parameter_;
};

void add(CLI::App &app, Arguments &arguments, const Parameter &parameter) {
    CLI::Option *option = std::visit(Adder(app, arguments, parameter), parameter.target);
    for (const std::string &other : parameter.excludes) option->excludes(other);
    if (!parameter.value.empty()) option->option_text(parameter.value);
    // Else the help would say what else it excludes, or of which type it is.
    else if (!parameter.isOption() || !parameter.excludes.empty())
        option->option_text(" ");
    if (parameter.required) option->required();
    if (parameter.hidden) option->group("");
    // An empty ID must not silently mean "all".
    if (!parameter.isOption() && parameter.offer == Offer::Volumes)
        option->check([](const std::string &text) {
            return text.empty() ? std::string("an ID is not empty") : std::string();
        });
}

class Parser {
  public:
    Parser() : app_(kDescription, kProgram) {
        app_.footer(kFooter);
        app_.set_version_flag("--version", std::string(kProgram) + " " VOLUMECRYPT_VERSION,
                              "Print the version and exit");
        app_.set_help_flag("-h,--help", "Print this help and exit");
        app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
        app_.get_formatter()->label("REQUIRED", "(required)");
        for (const Parameter &option : commonOptions()) cli::add(app_, arguments_, option);
        app_.require_subcommand(0, 1);
        for (const Command *command : commands()) add(*command);
        arguments_.command = commands().front();
    }

    Parsed parse(const std::vector<std::string> &words) {
        // CLI11 takes the words from the end.
        std::vector<std::string> reversed(words.rbegin(), words.rend());
        try {
            app_.parse(reversed);
        } catch (const CLI::Success &leave) {
            return left(leave, kExitDone);
        } catch (const CLI::ParseError &error) {
            return left(error, kExitUsage);
        }
        return arguments_;
    }

  private:
    Leave left(const CLI::Error &reason, int code) {
        std::ostringstream out;
        std::ostringstream err;
        app_.exit(reason, out, err);
        if (code == kExitDone) return {code, out.str()};
        std::string command;
        for (const auto *sub : app_.get_subcommands()) command = " " + sub->get_name();
        return {code, std::string(kProgram) + ": " + reason.what() + "\nhint: `" + kProgram +
                          command + " --help` shows what it takes.\n"};
    }

    void add(const Command &command) {
        CLI::App *sub = app_.add_subcommand(command.name, command.help);
        sub->group(command.group);
        sub->footer(std::string(command.footer) + kCommandFooter);
        sub->fallthrough();
        sub->callback([this, &command] { arguments_.command = &command; });
        if (command.takes == nullptr) return;
        for (const Parameter &parameter : command.takes()) cli::add(*sub, arguments_, parameter);
    }

    CLI::App app_;
    Arguments arguments_;
};

}  // namespace

Parsed parseCommandLine(const std::vector<std::string> &words) {
    // What is completed is no command line yet.
    if (!words.empty() && words.front() == completion().name) {
        Arguments arguments;
        arguments.command = &completion();
        arguments.words.assign(words.begin() + 1, words.end());
        return arguments;
    }
    auto parser = std::make_unique<Parser>();
    return parser->parse(words);
}

int leave(const Leave &leave) {
    (void)std::fputs(leave.text.c_str(), leave.code == kExitDone ? stdout : stderr);
    return leave.code;
}

}  // namespace volumecrypt::cli
