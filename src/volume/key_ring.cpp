// SPDX-License-Identifier: Apache-2.0
// Lazy access to the sources of the declared keys.
#include "volume/key_ring.h"

#include <algorithm>
#include <utility>

#include "base/journal.h"
#include "config/values.h"
#include "model/slot_token.h"
#include "volume/state_meta.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

bool changesNothing(const Session &session) {
    return session.options().changesNothing;
}

// An attach at boot waits a little for a server that is starting as well, but not where the network
// key is only the way out when the others fail.
constexpr int kAttachAttempts = 4;

keys::KeyContext contextFor(const Session &session, const std::shared_ptr<keys::StateSalt> &salt) {
    keys::KeyContext context = keyContext(session);
    context.stateSalt = salt;
    return context;
}

void warnOfPlaintext(const Session &session, const model::KeySpec &key) {
    const auto *kms = std::get_if<model::KmsKey>(&key.parameters);
    config::Endpoint endpoint;
    if (kms == nullptr || config::readEndpoint(kms->endpoint, endpoint) || endpoint.tls) return;
    const std::string message = session.describe() + ", slot " + std::to_string(key.slot) +
                                ": the KMS endpoint " + kms->endpoint +
                                " is not encrypted: whoever sees the network sees the key";
    session.reporter().warning(base::ErrorCode::InvalidConfig, message);
    if (session.options().verb == Verb::Plan || session.options().output == OutputFormat::Text)
        return;
    base::log(base::Severity::Warning, message, {{"VOLUME", session.id().text()}});
}

// The one place that says of which slot an error of a source is.
base::Error ofSlot(const model::KeySpec &key, base::Error error) {
    return std::move(error).because("slot " + std::to_string(key.slot)).withSlot(key.slot);
}

template <typename T>
base::Result<T> ofSlot(const model::KeySpec &key, base::Result<T> result) {
    if (!result) return base::fail(ofSlot(key, std::move(result).error()));
    return result;
}

}  // namespace

keys::KeyContext keyContext(const Session &session) {
    const Options &options = session.options();
    const bool patient = options.verb == Verb::Attach && session.encryption().onlyNetworkKeys();
    return {.volume = session.id(),
            .paths = options.paths,
            .tcti = options.tcti,
            .kmsHelper = options.kmsHelper,
            .kmsAttempts = patient ? kAttachAttempts : 1,
            .pause = waitUnlessStopped,
            .stateSalt = {},
            .uuidOverride = [&session] { return uuidOverride(session); }};
}

KeyRing::KeyRing(const Session &session)
    : salt_(std::make_shared<keys::StateSalt>(statePlace(session), changesNothing(session))) {
    if (!session.spec().encryption) return;
    const keys::KeyContext context = contextFor(session, salt_);
    for (const model::KeySpec &key : session.encryption().keys) {
        if (key.kind() == model::KeyKind::Unmanaged) continue;
        warnOfPlaintext(session, key);
        Entry entry{.spec = &key, .source = {}, .passphrase = {}, .error = {}};
        auto source = keys::makeKeySource(key, context);
        if (source)
            entry.source = std::move(*source);
        else
            entry.error = ofSlot(key, std::move(source).error());
        entries_.emplace(key.slot, std::move(entry));
    }
}

std::vector<const model::KeySpec *> KeyRing::keys() const {
    std::vector<const model::KeySpec *> list;
    for (const auto &[slot, entry] : entries_) list.push_back(entry.spec);
    return list;
}

std::vector<const model::KeySpec *> KeyRing::keysToTry() const {
    auto list = keys();
    std::stable_sort(list.begin(), list.end(),
                     [](const model::KeySpec *a, const model::KeySpec *b) {
                         return a->row().tryingOrder < b->row().tryingOrder;
                     });
    return list;
}

KeyRing::Entry &KeyRing::entry(const model::KeySpec &key) {
    return entries_.at(key.slot);
}

const base::SecretBuffer *KeyRing::passphrase(const model::KeySpec &key,
                                              const model::HeaderView &view) {
    Entry &found = entry(key);
    if (found.passphrase) return &*found.passphrase;
    if (found.error) return nullptr;
    auto obtained = found.source->obtain(model::slotToken(view, key.kind(), key.slot));
    if (!obtained) {
        found.error = ofSlot(key, std::move(obtained).error());
        return nullptr;
    }
    found.passphrase = std::move(*obtained);
    return &*found.passphrase;
}

const base::SecretBuffer *KeyRing::known(const model::KeySpec &key) const {
    const auto &passphrase = entries_.at(key.slot).passphrase;
    return passphrase ? &*passphrase : nullptr;
}

const base::Error &KeyRing::failure(const model::KeySpec &key) const {
    return *entries_.at(key.slot).error;
}

base::Result<base::SecretBuffer> KeyRing::passphraseFrom(const model::KeySpec &key,
                                                         const model::TokenView &token) {
    const Entry &found = entry(key);
    if (!found.source) return base::fail(base::Error(*found.error));
    return ofSlot(key, found.source->obtain(token));
}

base::Result<base::SecretBuffer> KeyRing::passphraseUnder(const Session &session,
                                                          const model::KeySpec &key,
                                                          const model::VolumeId &name) {
    keys::KeyContext context = contextFor(session, salt_);
    context.volume = name;
    VC_ASSIGN(const auto source, ofSlot(key, keys::makeKeySource(key, context)));
    return ofSlot(key, source->obtain(std::nullopt));
}

base::Error KeyRing::whyNotOpened(const model::KeySpec &key, base::Error rejected,
                                  const keys::Opens &opens) const {
    const Entry &found = entries_.at(key.slot);
    rejected.message = "the declared " + std::string(key.row().name) + " key does not open it";
    if (found.source && found.passphrase)
        rejected = found.source->whyNotOpened(std::move(rejected), *found.passphrase, opens);
    return ofSlot(key, std::move(rejected));
}

void KeyRing::remember(const model::KeySpec &key, const base::SecretBuffer &passphrase) {
    entry(key).passphrase = base::SecretBuffer::copyOf(passphrase.bytes());
}

base::Status KeyRing::canCreate(const model::KeySpec &key) {
    const Entry &found = entry(key);
    if (!found.source) return base::fail(base::Error(*found.error));
    return ofSlot(key, found.source->canCreate());
}

bool KeyRing::isAsDeclared(const model::KeySpec &key, const model::HeaderView &view) {
    const Entry &found = entry(key);
    const auto token = model::slotToken(view, key.kind(), key.slot);
    return found.source && token && found.source->isAsDeclared(*token);
}

std::string KeyRing::renewalReason(const model::KeySpec &key, const model::HeaderView &view) {
    const Entry &found = entry(key);
    if (!found.source || !found.error) return {};
    return found.source->renewalReason(*found.error, model::slotToken(view, key.kind(), key.slot));
}

std::string KeyRing::saltDigest(const model::KeySpec &key) {
    return key.lockToState ? salt_->digest() : std::string();
}

base::Result<keys::NewKey> KeyRing::create(const model::KeySpec &key) {
    Entry &found = entry(key);
    if (!found.source) return base::fail(base::Error(*found.error));
    return ofSlot(key, found.source->create());
}

}  // namespace volumecrypt::volume
