// SPDX-License-Identifier: Apache-2.0
// Commands and options of volumecryptctl; the texts here are its --help.
#include "cli/command_line.h"

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <build_config.h>

#include "cli/exit_code.h"
#include "cli/text.h"
#include "model/key_kind.h"

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

class Parser {
  public:
    Parser() : app_(kDescription, kProgram) {
        app_.footer(kFooter);
        app_.set_version_flag("--version", std::string(kProgram) + " " VOLUMECRYPT_VERSION,
                              "Print the version and exit");
        app_.set_help_flag("-h,--help", "Print this help and exit");
        app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
        app_.get_formatter()->label("REQUIRED", "(required)");
        app_.add_flag("--json", arguments_.json, "Print JSON, one document or one object a line");
        app_.add_flag("--no-wait", arguments_.noWait,
                      "Print the number of the job and do not wait for its end");
        auto *ask = app_.add_flag_callback(
            "--ask", [this] { arguments_.ask = true; },
            "Let polkit ask for authorisation (default: when standard input is a terminal)");
        app_.add_flag_callback(
                "--no-ask", [this] { arguments_.ask = false; }, "Never let polkit ask")
            ->excludes(ask)
            ->option_text(" ");
        app_.add_option("--address", arguments_.address, "Talk to the bus at this address")
            ->option_text("ADDRESS");
        app_.require_subcommand(0, 1);
        addShowing();
        addKeys();
        addVolumes();
        addJobs();
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
        if (arguments_.command == Command::Help) return help();
        return arguments_;
    }

  private:
    // `help COMMAND` is `COMMAND --help`.
    Parsed help() {
        if (arguments_.topic.empty()) return parseCommandLine({"--help"});
        const auto isTopic = [this](const CLI::App *sub) {
            return sub->get_name() == arguments_.topic;
        };
        if (!app_.get_subcommands(isTopic).empty())
            return parseCommandLine({arguments_.topic, "--help"});
        return Leave{kExitUsage, std::string(kProgram) + ": there is no command " +
                                     printable(arguments_.topic) + "\nhint: `" + kProgram +
                                     " --help` lists them.\n"};
    }

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

    CLI::App *add(const char *group, Command command, const char *name, const char *text) {
        CLI::App *sub = app_.add_subcommand(name, text);
        sub->group(group);
        sub->footer(kCommandFooter);
        sub->fallthrough();
        sub->callback([this, command, name] {
            arguments_.command = command;
            arguments_.name = name;
        });
        return sub;
    }

    void volume(CLI::App *sub, bool required) {
        auto *option = sub->add_option("ID", arguments_.volume,
                                       required ? "The volume: STATE, EPHEMERAL, u-NAME, r-NAME, "
                                                  "s-NAME, IMAGECACHE, ETCD, CRI, KUBELET or LOG"
                                                : "The volume; without it, all");
        option->option_text(" ");
        if (required) option->required();
        // An empty ID must not silently mean "all".
        option->check([](const std::string &text) {
            return text.empty() ? std::string("an ID is not empty") : std::string();
        });
    }

    void slot(CLI::App *sub) {
        sub->add_option("SLOT", arguments_.slot, "The key slot, 0 to 31")
            ->required()
            ->check(CLI::Range(0U, 31U))
            ->option_text(" ");
    }

    void secretFile(CLI::App *sub, const char *text) {
        sub->add_option("--secret-file", arguments_.secretFile, text)->option_text("FILE");
    }

    void confirm(CLI::App *sub) {
        sub->add_option("--confirm", arguments_.confirm,
                        "The volume's ID once more, instead of being asked for it")
            ->option_text("ID");
    }

    void addShowing() {
        constexpr const char *kGroup = "Show";
        add(kGroup, Command::List, "list", "List the volumes");
        volume(add(kGroup, Command::Status, "status",
                   "Show volumes in full, and what is wrong with the configuration"),
               false);
        volume(add(kGroup, Command::Plan, "plan",
                   "Show what sync would change, and why; changes nothing"),
               false);
        volume(add(kGroup, Command::Keys, "keys", "List the key slots of a volume"), true);
        volume(add(kGroup, Command::Tpm, "tpm",
                   "Show the TPM, and whether it would open the volumes now; for root"),
               false);
        addCheck(kGroup);
        CLI::App *meta = add(kGroup, Command::Meta, "meta",
                             "Show what META keeps, passphrases and tokens left out");
        meta->add_option("--engine", arguments_.engine)->group("");
        add(kGroup, Command::Help, "help", "Print this help, or that of a command")
            ->add_option("COMMAND", arguments_.topic)
            ->option_text(" ");
        add(kGroup, Command::Jobs, "jobs", "List running and just finished jobs");
        add(kGroup, Command::Watch, "watch", "Print changes as they happen, until interrupted");
    }

    void addCheck(const char *group) {
        CLI::App *check = add(group, Command::Check, "check",
                              "Read the configuration and say what is wrong with it; asks nobody");
        check->add_option("FILE", arguments_.files, "Only these files; without one, all that count")
            ->option_text(" ");
        check
            ->add_option("--config-dir", arguments_.configDirs,
                         "Read this directory instead of the usual ones; may be repeated, the "
                         "first hides later ones")
            ->allow_extra_args(false)
            ->option_text("DIR");
        check->add_option("--root", arguments_.root, "Read the usual directories below this one")
            ->option_text("DIR");
    }

    void addKeys() {
        constexpr const char *kGroup = "Apply the configuration and change keys";
        CLI::App *apply =
            add(kGroup, Command::Apply, "apply",
                "Make the machine equal to the configuration: units, mounts and keys");
        volume(apply, false);
        secretFile(apply,
                   "Where no declared key opens the volume, open it with the passphrase in this "
                   "file (- is standard input), every byte of it; needs ID");
        add(kGroup, Command::Reload, "reload",
            "Read the configuration again; changes nothing on any volume");
        CLI::App *sync =
            add(kGroup, Command::Sync, "sync", "Make key slots equal to the declared keys, online");
        volume(sync, false);
        sync->add_flag("--verify", arguments_.verify,
                       "Really open every slot instead of comparing with the record");
        sync->add_flag("--adopt", arguments_.adopt,
                       "The volume was made by another machine and is this one's from now on: its "
                       "keys are replaced and removed as declared; needs ID");
        secretFile(sync,
                   "Open the volume with the passphrase in this file (- is standard input), every "
                   "byte of it: for when no declared key opens it; needs ID");
        CLI::App *addKey = add(kGroup, Command::AddKey, "add-key",
                               "Add a passphrase that is not declared; asks for it twice");
        volume(addKey, true);
        secretFile(
            addKey,
            "Read the new passphrase from this file (- is standard input), every byte of it");
        addKey
            ->add_option("--unlock-file", arguments_.unlockFile,
                         "Where no declared key opens the volume, open it with the passphrase in "
                         "this file (- is standard input)")
            ->option_text("FILE");
        addKey
            ->add_flag("--recovery", arguments_.recovery,
                       "Make a recovery key, show it, and add it once it was typed back")
            ->excludes("--secret-file")
            ->option_text(" ");
        CLI::App *removeKey =
            add(kGroup, Command::RemoveKey, "remove-key", "Remove a key made by add-key");
        volume(removeKey, true);
        slot(removeKey);
        removeKey->footer(std::string("Whoever copied the header before can still use the key on "
                                      "that copy.\n") +
                          kCommandFooter);
        CLI::App *rotate = add(
            kGroup, Command::RotateKey, "rotate-key",
            ("Make a " + model::kindNames(&model::KeyKindRow::sealed, "or") + " key anew").c_str());
        volume(rotate, true);
        slot(rotate);
    }

    void addVolumes() {
        constexpr const char *kGroup = "Change volumes";
        CLI::App *unlock = add(kGroup, Command::Unlock, "unlock",
                               "Unlock a volume with its declared keys, and mount it");
        volume(unlock, true);
        unlock->add_option("--engine", arguments_.engine)->group("");
        secretFile(unlock,
                   "Try the passphrase in this file too (- is standard input), every byte of it");
        unlock
            ->add_flag("--passphrase", arguments_.passphrase,
                       "Ask for a passphrase at once, not only when no declared key fits")
            ->excludes("--secret-file")
            ->option_text(" ");
        unlock
            ->add_flag("--recovery", arguments_.recovery,
                       "Ask for a recovery key; capitals and missing dashes do not matter")
            ->excludes("--secret-file")
            ->excludes("--passphrase")
            ->option_text(" ");
        volume(add(kGroup, Command::Lock, "lock", "Unmount and lock a volume"), true);
        CLI::App *grow = add(kGroup, Command::Grow, "grow",
                             "Let a volume in use follow its device, which became larger");
        volume(grow, true);
        secretFile(grow,
                   "Open the volume with the passphrase in this file (- is standard input), every "
                   "byte of it: for when no declared key opens it");
        CLI::App *format = add(kGroup, Command::Format, "format",
                               "Make a new, empty encrypted volume; what was on it is lost");
        volume(format, true);
        confirm(format);
        format->add_flag("--force", arguments_.force, "Even over content that was found");
        CLI::App *wipe = add(kGroup, Command::Wipe, "wipe",
                             "Make the device blank, to be provisioned anew; its data is lost");
        volume(wipe, true);
        confirm(wipe);
        CLI::App *erase = add(kGroup, Command::Erase, "erase",
                              "Destroy every key slot; the data is lost for good");
        volume(erase, true);
        confirm(erase);
        CLI::App *forget =
            add(kGroup, Command::Forget, "forget",
                "Forget which volume this was, so that another is accepted in its place");
        volume(forget, true);
        confirm(forget);
    }

    void addJobs() {
        CLI::App *cancel =
            add("Change jobs", Command::Cancel, "cancel", "Stop a job at its next safe point");
        cancel->add_option("JOB", arguments_.job, "The job's number, as `jobs` prints it")
            ->required()
            ->option_text(" ");
    }

    CLI::App app_;
    Arguments arguments_;
};

}  // namespace

Parsed parseCommandLine(const std::vector<std::string> &words) {
    auto parser = std::make_unique<Parser>();
    return parser->parse(words);
}

}  // namespace volumecrypt::cli
