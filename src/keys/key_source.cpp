// SPDX-License-Identifier: Apache-2.0
// From a declared key to its source.
#include "keys/key_source.h"

#include <type_traits>
#include <utility>
#include <variant>

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
                       "this version cannot make or open keys of kind " +
                           std::string(model::keyKindName(spec.kind())),
                       "Declare a static or nodeID key for this volume as well.");
}

// Without the salt of STATE. A kind that has no line here does not compile.
struct BareSource {
    using Made = base::Result<std::unique_ptr<KeySource>>;
    const model::KeySpec &spec;
    const KeyContext &context;

    Made operator()(const model::StaticKey &key) const { return made<StaticKeySource>(key, key); }
    Made operator()(const model::NodeIdKey &key) const {
        return made<NodeIdKeySource>(key, context);
    }
    Made operator()(const model::KmsKey &key) const {
        return made<KmsKeySource>(key, spec, context);
    }
    Made operator()(const model::TpmKey &key) const {
        return made<TpmKeySource>(key, spec, context);
    }
    Made operator()(const model::UnmanagedKey & /*none*/) const {
        return base::fail(unsupported(spec));
    }

    template <typename Source, typename Key, typename... Arguments>
    static Made made(const Key & /*of*/, Arguments &&...arguments) {
        static_assert(model::rowOf(Key::kKind).sealed ==
                      std::is_base_of_v<SealedKeySource, Source>);
        return std::make_unique<Source>(std::forward<Arguments>(arguments)...);
    }
};

}  // namespace

base::Result<std::unique_ptr<KeySource>> makeKeySource(const model::KeySpec &spec,
                                                       const KeyContext &context) {
    VC_ASSIGN(std::unique_ptr<KeySource> source,
              std::visit(BareSource{spec, context}, spec.parameters));
    if (!spec.lockToState) return source;
    return std::make_unique<SaltedKeySource>(std::move(source), context.stateSalt);
}

base::Error KeySource::whyNotOpened(base::Error rejected, const base::SecretBuffer & /*passphrase*/,
                                    const Opens & /*opens*/) const {
    return rejected;
}

bool KeySource::isAsDeclared(const model::TokenView & /*token*/) {
    return true;
}

std::string KeySource::renewalReason(const base::Error & /*failure*/,
                                     const std::optional<model::TokenView> & /*token*/) {
    return {};
}

base::Result<base::SecretBuffer> SealedKeySource::obtain(
    const std::optional<model::TokenView> &token) {
    if (!token)
        return base::fail(ErrorCode::HeaderCorrupt,
                          std::string("the header holds no sealed ") + sealer_ + " key for it",
                          "When another key opens the volume, sync makes a new one.");
    return unseal(token->json);
}

std::string SealedKeySource::renewalReason(const base::Error &failure,
                                           const std::optional<model::TokenView> &token) {
    if (!token) return "re-seal: its sealed key is missing from the header";
    if (failure.code == ErrorCode::HeaderCorrupt) return "re-seal: its token is damaged";
    return lossReason(failure, token->json);
}

}  // namespace volumecrypt::keys
