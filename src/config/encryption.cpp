// SPDX-License-Identifier: Apache-2.0
// Provider, cipher and options; the keys are in keys.cpp.
#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "config/draft.h"
#include "config/keys.h"
#include "config/text.h"

namespace volumecrypt::config {
namespace {

enum class Provider { NotGiven, None, Luks2, Wrong };

Provider readProvider(Fields &fields) {
    const auto text = fields.text("provider");
    if (!text) return fields.any("provider") == nullptr ? Provider::NotGiven : Provider::Wrong;
    const std::string name = lowerCase(*text);
    if (name == "none") return Provider::None;
    if (name == "luks2") return Provider::Luks2;
    fields.report().error(
        fields.place("provider"),
        fmt::format("{} does not belong to EncryptionProviderType values", printable(*text)));
    return Provider::Wrong;
}

void readCipher(Fields &fields, model::EncryptionSpec &spec) {
    const auto text = fields.text("cipher");
    const auto bits = fields.number("keySize");
    const std::string name = text.value_or("").empty() ? std::string(model::kUsualCipher) : *text;
    const model::Cipher *cipher = model::findCipher(name);
    if (cipher == nullptr) {
        fields.report().error(fields.place("cipher"),
                              fmt::format("unknown cipher kind {}", printable(name)));
        return;
    }
    spec.cipher = name;
    spec.wording.cipher = text.value_or("");
    const auto [usual, other] = cipher->keyBits;
    spec.keyBits = usual;
    if (bits.value_or(0) == 0) return;
    if (*bits != usual && *bits != other) {
        const std::string allowed =
            usual == other ? fmt::format("{}", usual) : fmt::format("{} or {}", other, usual);
        fields.report().error(fields.place("keySize"),
                              fmt::format("{} must be {} bits for {}, not {}",
                                          fields.pathOf("keySize"), allowed, name, *bits));
        return;
    }
    spec.keyBits = static_cast<unsigned>(*bits);
    spec.wording.keyBits = spec.keyBits;
}

void readOptions(Fields &fields, model::EncryptionSpec &spec) {
    if (fields.any("options") != nullptr) spec.wording.options.emplace();
    for (const auto &[text, place] : fields.texts("options")) {
        const auto option = model::performanceOptionFromName(text);
        if (!option) {
            fields.report().error(place, fmt::format("invalid perf option {}", printable(text)));
            continue;
        }
        spec.wording.options->push_back(*option);
        if (std::find(spec.options.begin(), spec.options.end(), *option) == spec.options.end())
            spec.options.push_back(*option);
    }
}

void readSectorSize(Fields &fields, model::EncryptionSpec &spec) {
    const auto size = fields.number("blockSize");
    if (!size) return;
    if (*size < 0 || !model::isSectorSize(static_cast<std::uint64_t>(*size)))
        fields.report().error(fields.place("blockSize"),
                              fmt::format("{} must be 512, 1024, 2048 or 4096 bytes, not {}",
                                          fields.pathOf("blockSize"), *size));
    else
        spec.sectorSize = static_cast<unsigned>(*size);
}

// Whether the volume is to be encrypted; reports what Talos does, and what it lets pass although
// somebody probably thinks that the volume is encrypted.
bool isEncrypted(Fields &fields, Provider provider, bool anyKey) {
    Report &report = fields.report();
    if (anyKey) {
        if (provider == Provider::None)
            report.error(fields.place("provider"), "unsupported encryption provider: none");
        return true;
    }
    if (provider == Provider::None) return false;
    if (provider == Provider::NotGiven && fields.node().entries.empty())
        report.warning(fields.place(), "encryption is empty: the volume is not encrypted");
    else
        report.error(fields.place("keys"), "encryption keys are required");
    return false;
}

}  // namespace

std::optional<model::EncryptionSpec> readEncryption(Fields &document, Draft &draft) {
    auto fields = document.map("encryption");
    if (!fields) return std::nullopt;
    fields->hideUnknownNames();
    Report &report = document.report();
    model::EncryptionSpec spec;
    const Provider provider = readProvider(*fields);
    const TreeNode *keys = fields->list("keys");
    const bool anyKey = keys != nullptr && !keys->items.empty();
    const std::size_t errorsBefore = report.errorCount();
    if (anyKey) {
        spec.keys = readKeys(*keys, fields->pathOf("keys"), report, draft);
        if (report.errorCount() == errorsBefore &&
            std::all_of(spec.keys.begin(), spec.keys.end(), [](const model::KeySpec &key) {
                return key.kind() == model::KeyKind::Unmanaged;
            }))
            report.error(keys->place, fmt::format("{} are all unmanaged: nothing could unlock the "
                                                  "volume",
                                                  fields->pathOf("keys")));
    }
    readCipher(*fields, spec);
    readSectorSize(*fields, spec);
    readOptions(*fields, spec);
    spec.wording.allowDiscards = fields->flag("allowDiscards");
    spec.allowDiscards = spec.wording.allowDiscards.value_or(false);
    spec.unmanagedSlots = fields
                              ->choice<model::UnmanagedSlots>(
                                  "unmanagedSlots", {{"keep", model::UnmanagedSlots::Keep},
                                                     {"remove", model::UnmanagedSlots::Remove}})
                              .value_or(model::UnmanagedSlots::Keep);
    spec.tpmReseal =
        fields
            ->choice<model::TpmReseal>("tpmReseal", {{"auto", model::TpmReseal::Auto},
                                                     {"manual", model::TpmReseal::Manual}})
            .value_or(model::TpmReseal::IfStrong);
    // A `keys` that is no list was reported as such.
    const bool keysKnown = keys != nullptr || fields->any("keys") == nullptr;
    const bool encrypted = keysKnown && isEncrypted(*fields, provider, anyKey);
    draft.spec.declaredPlain = provider == Provider::None;
    fields->finish();
    if (!encrypted) return std::nullopt;
    return spec;
}

}  // namespace volumecrypt::config
