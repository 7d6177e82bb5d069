// SPDX-License-Identifier: Apache-2.0
// Quiet, and asks nobody: what cannot be found out is not offered.
#include "cli/completion.h"

#include <algorithm>
#include <string_view>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/parameters.h"
#include "cli/session.h"
#include "cli/text.h"

namespace volumecrypt::cli {
namespace {

// A line that is being typed, as far as the last word.
struct Line {
    const Command *command = nullptr;
    Parameters takes;                // that command
    std::vector<std::string> words;  // behind the command's name
    std::string address;
    std::string last;                    // the word to complete, without "--option=" before it
    const Parameter *valueOf = nullptr;  // the option whose value that is

    [[nodiscard]] const Parameter *option(std::string_view name) const {
        for (const Parameters *list : {&takes, &commonOptions()})
            for (const Parameter &parameter : *list)
                if (parameter.isOption() && parameter.name == name) return &parameter;
        return nullptr;
    }
    // What may stand in the place of the last word.
    [[nodiscard]] const Parameter *word() const {
        std::size_t place = words.size();
        for (const Parameter &parameter : takes) {
            if (parameter.isOption()) continue;
            if (place == 0 || parameter.target.index() == kMany) return &parameter;
            --place;
        }
        return nullptr;
    }

  private:
    static constexpr std::size_t kMany =
        Parameter::Target(static_cast<std::vector<std::string> Arguments::*>(nullptr)).index();
};

void readWord(Line &line, const std::string &word) {
    if (line.command != nullptr) return line.words.push_back(word);
    line.command = findCommand(word);
    if (line.command != nullptr && line.command->takes != nullptr)
        line.takes = line.command->takes();
}

// False: a command that there is not.
bool read(Line &line, const std::vector<std::string> &words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool isLast = i + 1 == words.size();
        const std::string &word = words[i];
        if (!word.starts_with('-')) {
            if (isLast)
                line.last = word;
            else
                readWord(line, word);
            if (!isLast && line.command == nullptr) return false;
            continue;
        }
        const auto sign = word.find('=');
        const Parameter *option = line.option(word.substr(0, sign));
        const bool takesValue = option != nullptr && !option->value.empty();
        if (isLast && (sign == std::string::npos || !takesValue)) line.last = word;
        if (!takesValue || (isLast && sign == std::string::npos)) continue;
        const std::string value = sign == std::string::npos ? words[++i] : word.substr(sign + 1);
        if (i + 1 == words.size()) {
            line.last = value;
            line.valueOf = option;
        } else if (option->name == "--address") {
            line.address = value;
        }
    }
    return true;
}

void offer(const std::string &word, const std::string &meaning) {
    print(printable(word) + "\t" + printable(meaning) + "\n");
}

void offerVolumes(Client &client) {
    if (const auto volumes = client.volumes())
        for (const VolumeInfo &volume : *volumes) offer(volume.id, volume.state);
}

void offerSlots(Client &client, const std::string &id, bool (*fits)(const SlotInfo &)) {
    if (const auto volume = client.volume(id))
        for (const SlotInfo &slot : volume->slots)
            if (fits(slot)) offer(std::to_string(slot.slot), slot.kind);
}

void offerJobs(Client &client) {
    if (const auto jobs = client.jobs())
        for (const JobInfo &job : *jobs)
            if (job.state == "running") offer(job.number, job.operation + " " + job.volume);
}

void offerCommands() {
    for (const Command *command : commands()) offer(command->name, command->help);
}

void offerOptions(const Line &line) {
    for (const Parameters *list : {&line.takes, &commonOptions()})
        for (const Parameter &parameter : *list)
            if (parameter.isOption() && !parameter.hidden) offer(parameter.name, parameter.help);
    offer("--help", "Print this help and exit");
    if (line.command == nullptr) offer("--version", "Print the version and exit");
}

// What only the service knows.
void offerFromService(const Line &line, const Parameter &wanted) {
    auto client = Client::connect(line.address, false);
    if (!client) return;
    if (wanted.offer == Offer::Jobs) offerJobs(*client);
    if (wanted.offer == Offer::Volumes) offerVolumes(*client);
    if (wanted.offer == Offer::Slots && !line.words.empty())
        offerSlots(*client, line.words.front(), wanted.fits);
}

void offerFor(const Line &line, const Parameter &wanted) {
    switch (wanted.offer) {
        case Offer::Nothing:
            return;
        case Offer::Files:
            return print(":files\n");
        case Offer::Folders:
            return print(":folders\n");
        case Offer::Commands:
            return offerCommands();
        case Offer::Volumes:
            // The ID once more.
            if (wanted.isOption() && !line.words.empty()) return offer(line.words.front(), "");
            [[fallthrough]];
        case Offer::Slots:
        case Offer::Jobs:
            return offerFromService(line, wanted);
    }
}

int runCompletion(const Arguments &arguments) {
    Line line;
    if (!read(line, arguments.words)) return kExitDone;
    if (line.valueOf != nullptr) {
        offerFor(line, *line.valueOf);
    } else if (line.last.starts_with('-')) {
        offerOptions(line);
    } else if (line.command == nullptr) {
        offerCommands();
    } else if (const Parameter *wanted = line.word()) {
        offerFor(line, *wanted);
    }
    return kExitDone;
}

constexpr Command kCompletion{.group = "", .name = "__complete", .help = "", .run = runCompletion};

}  // namespace

const Command &completion() {
    return kCompletion;
}

}  // namespace volumecrypt::cli
