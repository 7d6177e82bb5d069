// SPDX-License-Identifier: Apache-2.0
// From a declared key to its source.
#include "keys/key_source.h"

#include <utility>

#include "keys/kms.h"
#include "keys/node_id.h"
#include "keys/salted_key.h"
#include "keys/static_key.h"
#include "keys/tpm.h"

namespace volumecrypt::keys {
namespace {

using base::ErrorCode;

base::Error unsupported(const model::KeySpec &spec) {
    return base::Error(ErrorCode::Unsupported,
                       "slot " + std::to_string(spec.slot) +
                           ": this version cannot make or open keys of kind " +
                           std::string(model::keyKindName(spec.kind())),
                       "Declare a static or nodeID key for this volume as well.")
        .withSlot(spec.slot);
}

// Without the salt of STATE.
base::Result<std::unique_ptr<KeySource>> makeBareSource(const model::KeySpec &spec,
                                                        const KeyContext &context) {
    switch (spec.kind()) {
        case model::KeyKind::Static:
            return std::make_unique<StaticKeySource>(spec.slot,
                                                     std::get<model::StaticKey>(spec.parameters));
        case model::KeyKind::NodeId:
            return std::make_unique<NodeIdKeySource>(spec.slot, context);
        case model::KeyKind::Tpm:
            return std::make_unique<TpmKeySource>(spec, context);
        case model::KeyKind::Kms:
            return std::make_unique<KmsKeySource>(spec, context);
        default:
            return base::fail(unsupported(spec));
    }
}

}  // namespace

base::Result<std::unique_ptr<KeySource>> makeKeySource(const model::KeySpec &spec,
                                                       const KeyContext &context) {
    VC_ASSIGN(std::unique_ptr<KeySource> source, makeBareSource(spec, context));
    if (!spec.lockToState) return source;
    return std::make_unique<SaltedKeySource>(spec.slot, std::move(source), context.stateSalt);
}

bool KeySource::isAsDeclared(const model::TokenView & /*token*/) {
    return true;
}

std::string KeySource::renewalReason(const base::Error & /*failure*/,
                                     const std::optional<model::TokenView> &token) {
    return token ? std::string() : "its sealed key is missing from the header";
}

int tryingOrder(model::KeyKind kind) {
    switch (kind) {
        case model::KeyKind::Tpm:
            return 0;
        case model::KeyKind::Kms:
            return 2;
        default:
            return 1;
    }
}

}  // namespace volumecrypt::keys
