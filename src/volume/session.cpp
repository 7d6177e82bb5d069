// SPDX-License-Identifier: Apache-2.0
// Getting hold of what a verb works on.
#include "volume/session.h"

#include <utility>

#include "base/secret_buffer.h"
#include "base/unique_fd.h"
#include "volume/state_meta.h"
#include "volume/stop.h"

namespace volumecrypt::volume {
namespace {

using base::ErrorCode;

// As long as for a key file (keys/static_key.cpp).
constexpr int kSecretTimeoutMs = 10'000;

}  // namespace

Session::Session(Options options, Reporter &reporter)
    : options_(std::move(options)), reporter_(reporter) {}

base::Status Session::loadSpec() {
    configuration_ = config::load(options_.paths, config::Secrets::Keep);
    spec_ = configuration_.find(options_.id);
    std::string problems;
    for (const config::Problem &problem : configuration_.problems) {
        if (problem.level == config::Level::Warning) {
            if (problem.volume == id().text()) reporter_.warning(problem.code, problem.text());
            continue;
        }
        // A document that cannot be attributed may be the missing one.
        if (problem.volume == id().text() || (spec_ == nullptr && problem.volume.empty()))
            problems += (problems.empty() ? "" : "\n") + problem.text();
    }
    if (spec_ != nullptr) return askMeta();
    if (!problems.empty())
        return base::fail(ErrorCode::InvalidConfig, problems,
                          "Correct the configuration; nothing was changed.");
    return base::fail(
        ErrorCode::NotFound, "volume " + id().text() + " is not declared in the configuration",
        "Add a document for it to a file in " + options_.paths.configDirs().front() + ".");
}

base::Status Session::askMeta() {
    const bool open =
        id().kind() == model::VolumeKind::State && !spec_->encryption && !spec_->declaredPlain;
    if (!open) return {};
    VC_ASSIGN(spec_->encryption, stateEncryptionInMeta(*this));
    encryptionIsMetas_ = spec_->encryption.has_value();
    return {};
}

void Session::dropMetasEncryption() {
    if (encryptionIsMetas_) spec_->encryption.reset();
    encryptionIsMetas_ = false;
}

base::Status Session::readSecrets() {
    const bool adding = options_.verb == Verb::AddKey;
    if (options_.secretsFrom) {
        const base::UniqueFd socket(*options_.secretsFrom);
        auto both = base::takeOver(socket.get(), 2);
        if (!both) return base::fail(std::move(both).error().because("volume " + id().text()));
        if (options_.verb == Verb::RestoreHeader)
            headerFile_ = std::move((*both)[0]);
        else
            VC_TRY(readSecret(std::move((*both)[0]), newKey_));
        return readSecret(std::move((*both)[1]), secret_);
    }
    if (options_.headerFd) headerFile_.reset(*options_.headerFd);
    if (options_.secretFd)
        VC_TRY(readSecret(base::UniqueFd(*options_.secretFd), adding ? newKey_ : secret_));
    if (options_.unlockFd) VC_TRY(readSecret(base::UniqueFd(*options_.unlockFd), secret_));
    return {};
}

base::Status Session::readSecret(base::UniqueFd fd, std::optional<base::SecretBuffer> &into) const {
    auto secret =
        base::readSecretUnlessStopped(fd.get(), base::kLongestSecret, kSecretTimeoutMs, checkStop);
    // main says of every stop which volume it was.
    if (!secret && secret.error().code == ErrorCode::Cancelled) return base::fail(secret.error());
    if (!secret) return base::fail(std::move(secret).error().because("volume " + id().text()));
    into = std::move(*secret);
    return {};
}

base::Status Session::findDevice() {
    auto device = blockdev::findDevice(spec_->device);
    if (!device) return base::fail(std::move(device).error().because("volume " + id().text()));
    device_ = std::move(*device);
    return {};
}

base::Status Session::lock() {
    if (lock_.valid()) return {};
    auto lock = blockdev::lockDevice(options_.paths, *device_, checkStop);
    // main says of every stop which volume it was.
    if (!lock && lock.error().code == ErrorCode::Cancelled) return base::fail(lock.error());
    if (!lock) return base::fail(std::move(lock).error().because("volume " + id().text()));
    lock_ = std::move(*lock);
    return {};
}

const model::VolumeSpec *Session::stateSpec() const {
    return configuration_.find(model::VolumeId::state());
}

std::string Session::describe() const {
    if (!device_) return "volume " + id().text();
    return "volume " + id().text() + " (" + device_->path + ")";
}

}  // namespace volumecrypt::volume
