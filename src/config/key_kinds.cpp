// SPDX-License-Identifier: Apache-2.0
// The parameters of static, kms and tpm keys.
#include "config/key_kinds.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/passphrase_form.h"
#include "config/values.h"

namespace volumecrypt::config {
namespace {

constexpr std::int64_t kHighestPcr = 23;
constexpr unsigned kSecureBootPcr = 7;
constexpr unsigned kKernelPcr = 11;

// Not repeated in the message: it may be a passphrase in the wrong place.
void readTcti(Fields &fields, model::TpmKey &key) {
    key.tcti = fields.text("tcti").value_or("");
    if (const auto fault = model::tctiFault(key.tcti))
        fields.report().error(fields.place("tcti"), fields.pathOf("tcti") + " " + *fault);
}

std::vector<unsigned> listedPcrs(Fields &fields) {
    std::vector<unsigned> pcrs;
    for (const auto &[pcr, place] : fields.numbers("pcrs")) {
        if (pcr < 0 || pcr > kHighestPcr)
            fields.report().error(
                place, fmt::format("TPM PCR {} is out of range (0-{})", pcr, kHighestPcr));
        else
            pcrs.push_back(static_cast<unsigned>(pcr));
    }
    return pcrs;
}

std::vector<unsigned> inOrder(std::vector<unsigned> pcrs) {
    // The TPM hashes them in ascending order, each once, whatever the order here.
    std::sort(pcrs.begin(), pcrs.end());
    pcrs.erase(std::unique(pcrs.begin(), pcrs.end()), pcrs.end());
    return pcrs;
}

model::SignedPolicy readSignedPolicy(Fields &fields) {
    model::SignedPolicy policy;
    policy.publicKey = readPath(fields, "publicKey");
    policy.pcrs = {kKernelPcr};
    if (fields.any("pcrs") != nullptr) {
        policy.pcrs = inOrder(listedPcrs(fields));
        if (const TreeNode *list = fields.list("pcrs"); list != nullptr && list->items.empty())
            fields.report().error(list->place,
                                  fmt::format("{} must name a PCR", fields.pathOf("pcrs")));
    }
    fields.finish();
    return policy;
}

void readStatic(Fields &fields, std::int64_t slot, model::StaticKey &key) {
    Report &report = fields.report();
    const bool inlined = fields.any("passphrase") != nullptr;
    const bool inFile = fields.any("passphraseFile") != nullptr;
    if (inlined && inFile)
        report.error(fields.place("passphraseFile"),
                     fmt::format("slot {}: passphrase and passphraseFile are both given", slot));
    else if (!inlined && !inFile)
        report.error(fields.place(),
                     fmt::format("slot {}: static key must have key data defined", slot));
    key.passphraseFile = readPath(fields, "passphraseFile");
    // The text goes from the tree into locked memory, without a copy between.
    if (const TreeNode *passphrase = fields.textNode("passphrase")) {
        if (const auto fault = formFault(passphrase->form); !fault.empty())
            report.error(passphrase->place, fmt::format("slot {}: {}", slot, fault));
        else if (passphrase->form == TreeNode::Form::LineEnd)
            report.warning(passphrase->place,
                           fmt::format("slot {}: the passphrase ends with a line end, which YAML's "
                                       "\"|\" and \">\" add; in quotation marks it has none",
                                       slot));
        if (passphrase->text.empty() && !passphrase->dropped)
            report.error(passphrase->place, fmt::format("slot {}: the passphrase is empty", slot));
        else if (!passphrase->text.empty())
            key.passphrase = base::SecretBuffer::copyOf(std::string_view(passphrase->text));
    }
}

void readKms(Fields &fields, model::KmsKey &key) {
    Report &report = fields.report();
    key.caFile = readPath(fields, "caFile");
    key.clientCertFile = readPath(fields, "clientCertFile");
    key.clientKeyFile = readPath(fields, "clientKeyFile");
    if (key.clientCertFile.empty() != key.clientKeyFile.empty())
        report.error(fields.place(), fmt::format("{} and clientKeyFile need each other",
                                                 fields.pathOf("clientCertFile")));
    const auto endpoint = fields.text("endpoint");
    if (!endpoint) {
        if (fields.any("endpoint") == nullptr)
            report.error(fields.place(), fields.pathOf("endpoint") + " is required");
    } else {
        const Place place = fields.place("endpoint");
        Endpoint parts;
        if (const auto fault = readEndpoint(*endpoint, parts))
            report.error(place, fmt::format("{} {}", fields.pathOf("endpoint"), *fault));
        else if (!parts.tls && !(key.caFile + key.clientCertFile + key.clientKeyFile).empty())
            report.error(place, fmt::format("{} is not encrypted, but certificates are given: use "
                                            "grpcs://",
                                            fields.pathOf("endpoint")));
        else if (!parts.schemeGiven)
            report.warning(place, fmt::format("{} has no scheme and is taken for grpc://, which is "
                                              "not encrypted",
                                              fields.pathOf("endpoint")));
        key.endpoint = *endpoint;
    }
}

void readTpm(Fields &fields, std::int64_t slot, model::TpmKey &key) {
    const std::size_t errorsBefore = fields.report().errorCount();
    // As in Talos: without `options` PCR 7, with them exactly what they say, which may be nothing.
    key.pcrs = {kSecureBootPcr};
    if (auto options = fields.map("options")) {
        const std::vector<unsigned> pcrs = listedPcrs(*options);
        key.wording.options = true;
        if (options->any("pcrs") != nullptr) key.wording.pcrs = pcrs;
        key.pcrs = inOrder(pcrs);
        options->finish();
    }
    if (auto policy = fields.map("signedPolicy")) key.signedPolicy = readSignedPolicy(*policy);
    key.wording.checkSecurebootStatusOnEnroll = fields.flag("checkSecurebootStatusOnEnroll");
    key.checkSecurebootStatusOnEnroll = key.wording.checkSecurebootStatusOnEnroll.value_or(false);
    readTcti(fields, key);
    fields.finish();
    if (key.pcrs.empty() && !key.signedPolicy && fields.report().errorCount() == errorsBefore)
        fields.report().warning(
            fields.place(),
            fmt::format("slot {}: the key is bound to no PCR: this machine unlocks the volume "
                        "whatever it has booted",
                        slot));
}

// A kind without a line does not compile.
struct Reader {
    Fields &fields;
    std::int64_t slot;

    void operator()(model::StaticKey &key) const { readStatic(fields, slot, key); }
    void operator()(model::NodeIdKey & /*none*/) const {}
    void operator()(model::KmsKey &key) const { readKms(fields, key); }
    void operator()(model::TpmKey &key) const { readTpm(fields, slot, key); }
    void operator()(model::UnmanagedKey & /*none*/) const {}
};

}  // namespace

model::KeyParameters readParameters(model::KeyKind kind, Fields &fields, std::int64_t slot) {
    model::KeyParameters parameters = model::emptyParameters(kind).value();
    std::visit(Reader{fields, slot}, parameters);
    fields.finish();
    return parameters;
}

}  // namespace volumecrypt::config
