// SPDX-License-Identifier: Apache-2.0
// From files to a configuration: reads each, applies the rules between them, sorts the outcome.
#include "config/loader.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "config/config_files.h"
#include "config/cross_checks.h"
#include "config/report.h"
#include "config/volume_document.h"
#include "config/yaml_reader.h"

namespace volumecrypt::config {
namespace {

// Everything that was read so far.
struct Collection {
    std::vector<Draft> drafts;
    std::vector<Problem> problems;
    std::optional<TrimDefault> trim;
    bool complete = true;  // no file was left unread, or half read
};

void append(std::vector<Problem> &all, std::vector<Problem> more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

void readText(std::string_view text, const std::string &file, const std::string &secrecy,
              Secrets secrets, Collection &collection) {
    Report report(file);
    const std::size_t firstDraft = collection.drafts.size();
    const ReadOutcome outcome = readYaml(text, secrets, [&](const Document &document) {
        readDocument(document, report, collection.drafts, collection.trim);
        return !report.full();
    });
    report.setVolume({});
    if (outcome.faultPlace) report.error(*outcome.faultPlace, outcome.fault);
    if (outcome.faultPlace || report.full()) collection.complete = false;
    if (outcome.passphrase && !secrecy.empty()) {
        report.error(*outcome.passphrase, secrecy);
        for (std::size_t i = firstDraft; i < collection.drafts.size(); ++i)
            collection.drafts[i].valid = false;
    }
    append(collection.problems, report.take());
}

// Of a whole file. Member by member: of a braced Problem g++ 12 thinks at -O3 that its file may be
// without a value.
void addProblem(std::vector<Problem> &problems, Level level, const std::string &path,
                base::ErrorCode code, const std::string &message) {
    Problem &problem = problems.emplace_back();
    problem.level = level;
    problem.position.file = path;
    problem.code = code;
    problem.message = message;
}

// In the order in which somebody would read the files.
void sortProblems(std::vector<Problem> &problems, const std::vector<std::string> &files) {
    std::map<std::string_view, std::size_t> order;
    for (std::size_t i = 0; i < files.size(); ++i) order.emplace(files[i], i + 1);
    const auto key = [&order](const Problem &problem) {
        const auto found = order.find(problem.position.file);
        return std::tuple(found == order.end() ? 0 : found->second, problem.position.line,
                          problem.position.column);
    };
    std::stable_sort(problems.begin(), problems.end(),
                     [&key](const Problem &a, const Problem &b) { return key(a) < key(b); });
}

Configuration finish(Collection collection, const std::vector<std::string> &files) {
    checkTogether(collection.drafts, collection.complete, collection.problems);
    resolveTrim(collection.drafts, collection.trim, collection.problems);
    sortProblems(collection.problems, files);
    Configuration result;
    result.problems = std::move(collection.problems);
    for (Draft &draft : collection.drafts)
        if (draft.valid) result.volumes.push_back(std::move(draft.spec));
    std::sort(result.volumes.begin(), result.volumes.end(),
              [](const model::VolumeSpec &a, const model::VolumeSpec &b) { return a.id < b.id; });
    return result;
}

void readFiles(const std::vector<std::string> &files, Secrets secrets, Collection &collection) {
    for (const std::string &path : files) {
        const auto content = readConfigFile(path);
        if (content) {
            readText(content->view(), path, secrecyFault(*content), secrets, collection);
            continue;
        }
        collection.complete = false;
        const base::Error &error = content.error();
        addProblem(collection.problems, Level::Error, path, error.code, error.message);
    }
}

}  // namespace

std::string Problem::text() const {
    if (position.line == 0) return fmt::format("{}: {}", position.file, message);
    return fmt::format("{}:{}:{}: {}", position.file, position.line, position.column, message);
}

const model::VolumeSpec *Configuration::find(const model::VolumeId &id) const {
    const auto found = std::find_if(volumes.begin(), volumes.end(),
                                    [&](const model::VolumeSpec &spec) { return spec.id == id; });
    return found == volumes.end() ? nullptr : &*found;
}

model::VolumeSpec *Configuration::find(const model::VolumeId &id) {
    return const_cast<model::VolumeSpec *>(std::as_const(*this).find(id));
}

bool Configuration::hasErrors() const {
    return std::any_of(problems.begin(), problems.end(),
                       [](const Problem &problem) { return problem.level == Level::Error; });
}

Configuration load(const model::SystemPaths &paths, Secrets secrets) {
    Collection collection;
    const std::vector<std::string> files = findFiles(paths, collection.problems);
    readFiles(files, secrets, collection);
    return finish(std::move(collection), files);
}

Configuration loadFiles(const std::vector<std::string> &files, Secrets secrets) {
    Collection collection;
    collection.complete = false;
    for (const std::string &path : files)
        if (const std::string fault = nameFault(path); !fault.empty())
            addProblem(collection.problems, Level::Warning, path, base::ErrorCode::InvalidConfig,
                       fault);
    readFiles(files, secrets, collection);
    return finish(std::move(collection), files);
}

Configuration parse(const std::string &text, const std::string &file, Secrets secrets) {
    Collection collection;
    readText(text, file, {}, secrets, collection);
    return finish(std::move(collection), {file});
}

}  // namespace volumecrypt::config
