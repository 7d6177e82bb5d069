// SPDX-License-Identifier: Apache-2.0
// getopt_long(3). The engine starts once for each volume at boot: a library that makes its own help
// costs more there than everything else that happens before the configuration is read.
#include "engine/command_line.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include <getopt.h>

#include "build_config.h"
#include "engine/verbs.h"

namespace volumecrypt::engine {
namespace {

using base::ErrorCode;

constexpr const char *kUsage =
    "One operation on one VolumeCrypt volume.\n"
    "Usage: volumecrypt-engine [OPTIONS] VERB [ID]\n"
    "\n"
    "  ID  the volume: STATE, EPHEMERAL, u-NAME, r-NAME, s-NAME, IMAGECACHE, ETCD, CRI, KUBELET\n"
    "      or LOG\n"
    "\n"
    "Verbs:\n";

constexpr const char *kFooter =
    "\n"
    "Exit status: 0 done or nothing to do; 1 error; 2 plan has steps; 64 wrong usage; 75 failed, "
    "worth retrying.\n";

// A value is right when the setter takes it.
struct Entry {
    const char *name;
    const char *value;  // what stands for it in the help; none is taken without
    const char *text;   // no help of what is for tests
    bool (*set)(CommandLine &, std::string_view);
};

template <typename Number>
bool setNumber(std::optional<Number> &target, std::string_view text, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > most)
        return false;
    target = number;
    return true;
}

bool setFd(std::optional<int> &target, std::string_view text) {
    return setNumber(target, text, 1 << 20);
}

bool setChoice(bool &target, std::string_view text, std::string_view no, std::string_view yes) {
    target = text == yes;
    return target || text == no;
}

template <std::string CommandLine::*Member>
bool setText(CommandLine &line, std::string_view text) {
    line.*Member = text;
    return true;
}

template <bool CommandLine::*Member>
bool setFlag(CommandLine &line, std::string_view /*none*/) {
    return line.*Member = true;
}

constexpr auto kEntries = std::to_array<Entry>({
    {"help", nullptr, "print this and exit", nullptr},
    {"version", nullptr, "print the version and exit", nullptr},
    {"root", "DIR", "prefix of every system path that is read or written",
     setText<&CommandLine::root>},
    {"config-dir", "DIR",
     "configuration directory, replaces the default ones; may be repeated, the first hides later "
     "ones",
     [](CommandLine &line, std::string_view text) {
         line.configDirs.emplace_back(text);
         return true;
     }},
    {"tcti", "TCTI", "TPM interface, as tpm2-tss names it", setText<&CommandLine::tcti>},
    {"secret-fd", "FD", "file descriptor (pipe, memfd, file) with a passphrase of the volume",
     [](CommandLine &line, std::string_view text) { return setFd(line.secretFd, text); }},
    {"output", "text|json", "text, or json: one object a line",
     [](CommandLine &line, std::string_view text) {
         return setChoice(line.json, text, "text", "json");
     }},
    {"unlock-fd", "FD", "add-key: file descriptor with a passphrase that opens the volume",
     [](CommandLine &line, std::string_view text) { return setFd(line.unlockFd, text); }},
    {"header-fd", "FD",
     "backup-header: empty file or pipe that the backup goes to; restore-header: that it comes "
     "from",
     [](CommandLine &line, std::string_view text) { return setFd(line.headerFd, text); }},
    {"secrets-from", "FD",
     "add-key: socket that hands over the descriptors of --secret-fd and --unlock-fd; "
     "restore-header: those of --header-fd and --secret-fd",
     [](CommandLine &line, std::string_view text) { return setFd(line.secretsFrom, text); }},
    {"kind", "passphrase|recovery", "add-key: what the new key is",
     [](CommandLine &line, std::string_view text) {
         const auto kind = model::keyKindFromName(text, &model::KeyKindRow::addable);
         line.kind = kind.value_or(line.kind);
         return kind.has_value();
     }},
    {"slot", "0..31", "remove-key, rotate: the key slot",
     [](CommandLine &line, std::string_view text) { return setNumber(line.slot, text, 31U); }},
    {"rate", "BYTES", "encrypt, reencrypt: so many bytes a second at most",
     [](CommandLine &line, std::string_view text) {
         return setNumber(line.rate, text, std::uint64_t{1} << 50U) && *line.rate > 0;
     }},
    {"confirm", "ID", "wipe, erase, forget, restore-header: the volume's ID once more",
     setText<&CommandLine::confirm>},
    {"force", nullptr, "format: overwrite what is on the device", setFlag<&CommandLine::force>},
    {"verify", nullptr, "sync, plan: really open every slot", setFlag<&CommandLine::verify>},
    {"adopt", nullptr, "sync, plan: make the volume of another machine this one's",
     setFlag<&CommandLine::adopt>},
    {"kms-helper", "PROGRAM", nullptr, setText<&CommandLine::kmsHelper>},
    {"test-kdf", nullptr, nullptr, setFlag<&CommandLine::testKdf>},
});
constexpr std::size_t kHelp = 0, kVersion = 1;
// What getopt_long answers for the first entry: no character, none of its own answers.
constexpr int kFirst = 256;

std::array<option, kEntries.size() + 1> longOptions() {
    std::array<option, kEntries.size() + 1> options{};
    for (std::size_t i = 0; i < kEntries.size(); ++i)
        options.at(i) = {
            .name = kEntries.at(i).name,
            .has_arg = kEntries.at(i).value != nullptr ? required_argument : no_argument,
            .flag = nullptr,
            .val = kFirst + static_cast<int>(i)};
    return options;
}

tl::unexpected<base::Error> wrong(const std::string &message) {
    return base::fail(ErrorCode::InvalidConfig, message);
}

// What getopt_long did not take: it says no more than ':' or '?'.
tl::unexpected<base::Error> notTaken(int answer, const char *word) {
    // Of letters behind one dash it has not gone on to the next word yet.
    if (optopt > 0 && optopt < kFirst)
        return wrong(std::string("-") + static_cast<char>(optopt) + " is no option");
    if (answer == ':') return wrong(std::string(word) + " needs a value");
    return wrong(std::string(word) + (optopt >= kFirst ? " takes no value" : " is no option"));
}

class Parser {
  public:
    Parser(int argc, char **argv) : argc_(argc), argv_(argv) {}

    base::Result<std::variant<CommandLine, Request>> run() {
        const auto options = longOptions();
        optind = 0;  // anew, should this be called twice
        opterr = 0;
        // "-": words between options come in their order, whatever the environment says.
        for (int answer;
             (answer = ::getopt_long(argc_, argv_, "-:h", options.data(), nullptr)) != -1;) {
            if (answer == ':' || answer == '?') return notTaken(answer, argv_[optind - 1]);
            if (answer == 1) {
                VC_TRY(takeWord(optarg));
                continue;
            }
            const auto number = answer == 'h' ? kHelp : static_cast<std::size_t>(answer - kFirst);
            if (answer != 'h') VC_TRY(checkTyped(kEntries.at(number)));
            if (number == kHelp) return Request::Help;
            if (number == kVersion) return Request::Version;
            VC_TRY(take(number));
        }
        for (; optind < argc_; ++optind) VC_TRY(takeWord(argv_[optind]));
        if (words_ == 0) return wrong("VERB is required");
        return std::move(line_);
    }

  private:
    base::Status takeWord(const char *word) {
        if (words_ == 2) return wrong(std::string(word) + " is one word too many");
        (words_++ == 0 ? line_.verb : line_.id) = word;
        return {};
    }

    // getopt_long takes what a name begins with for the name: too little for `--force`.
    base::Status checkTyped(const Entry &entry) const {
        const bool apart = entry.value != nullptr && optarg == argv_[optind - 1];
        const std::string_view word = argv_[optind - (apart ? 2 : 1)];
        if (word.substr(0, word.find('=')) == nameOf(entry)) return {};
        return wrong(std::string(word) + " is no option");
    }

    base::Status take(std::size_t number) {
        const Entry &entry = kEntries.at(number);
        const std::string name = nameOf(entry);
        const bool repeated = std::exchange(seen_.at(number), true);
        if (repeated && name != "--config-dir") return wrong(name + " is given twice");
        const std::string_view value = optarg != nullptr ? optarg : "";
        // An unset variable in somebody's script, most likely.
        if (entry.value != nullptr && value.empty()) return wrong(name + " needs a value");
        if (!entry.set(line_, value))
            return wrong(name + " is " + entry.value + ", not \"" + std::string(value) + "\"");
        return {};
    }

    static std::string nameOf(const Entry &entry) { return "--" + std::string(entry.name); }

    int argc_;
    char **argv_;
    CommandLine line_;
    unsigned words_ = 0;
    std::array<bool, kEntries.size()> seen_{};
};

}  // namespace

base::Result<std::variant<CommandLine, Request>> parseCommandLine(int argc, char **argv) {
    return Parser(argc, argv).run();
}

void printHelp() {
    constexpr int kColumn = 28;
    std::fputs(kUsage, stdout);
    for (const VerbRow &row : verbs()) std::printf("  %-14s  %s\n", row.name, row.help);
    std::fputs("\nOptions:\n", stdout);
    for (const Entry &entry : kEntries) {
        if (entry.text == nullptr) continue;
        std::string words = &entry == &kEntries.at(kHelp) ? "-h,--" : "--";
        words += entry.name;
        if (entry.value != nullptr) words += " " + std::string(entry.value);
        std::printf("  %-*s%s%s\n", kColumn, words.c_str(), words.size() < kColumn ? "" : "  ",
                    entry.text);
    }
    std::fputs(kFooter, stdout);
}

void printVersion() {
    std::puts("volumecrypt-engine " VOLUMECRYPT_VERSION);
}

}  // namespace volumecrypt::engine
