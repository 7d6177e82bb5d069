// SPDX-License-Identifier: Apache-2.0
// Lazy access to the sources of the declared keys.
#include "engine/key_ring.h"

#include <algorithm>
#include <utility>

namespace volumecrypt::engine {

KeyRing::KeyRing(const Session &session) {
    if (!session.spec().encryption) return;
    const keys::KeyContext context{.volume = session.id(), .paths = session.options().paths};
    for (const model::KeySpec &key : session.encryption().keys) {
        if (key.kind() == model::KeyKind::Unmanaged) continue;
        Entry entry{.spec = &key, .source = {}, .passphrase = {}, .error = {}};
        auto source = keys::makeKeySource(key, context);
        if (source)
            entry.source = std::move(*source);
        else
            entry.error = std::move(source).error();
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
                         return keys::tryingOrder(a->kind()) < keys::tryingOrder(b->kind());
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
    std::optional<model::TokenView> token;
    if (const auto at = view.tokens.find(key.slot); at != view.tokens.end()) token = at->second;
    auto obtained = found.source->obtain(token);
    if (!obtained) {
        found.error = std::move(obtained).error();
        return nullptr;
    }
    found.passphrase = std::move(*obtained);
    return &*found.passphrase;
}

const base::Error &KeyRing::failure(const model::KeySpec &key) const {
    return *entries_.at(key.slot).error;
}

base::Result<keys::NewKey> KeyRing::create(const model::KeySpec &key) {
    Entry &found = entry(key);
    if (!found.source) return base::fail(base::Error(*found.error));
    return found.source->create();
}

}  // namespace volumecrypt::engine
