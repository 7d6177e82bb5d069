// SPDX-License-Identifier: Apache-2.0
// An open TPM, and handles in it that never outlive their use. Internal to this folder: it shows
// tpm2-tss.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tpm/access.h"
#include "tpm/library.h"
#include "tpm/opening_note.h"

namespace volumecrypt::tpm {

class Connection {
  public:
    // TpmUnavailable, Unsupported, Busy.
    static base::Result<std::unique_ptr<Connection>> open(const Access &access);
    ~Connection();
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;
    Connection(Connection &&) = delete;
    Connection &operator=(Connection &&) = delete;

    [[nodiscard]] ESYS_CONTEXT *esys() const { return esys_; }
    // The functions of tpm2-tss.
    [[nodiscard]] const Library &tss() const { return *tss_; }
    // Turns the code of a call into a Status, and remembers that something went wrong.
    base::Status check(std::string_view what, TSS2_RC code);

  private:
    Connection() = default;
    base::Status connect(const Access &access, const std::string &tcti);
    // ESYS over the open interface; a failure may have left an earlier one of no use.
    base::Status startEsys();
    // Without a resource manager: flushes what an engine that died here made, and leaves a note
    // for the case that this one dies.
    base::Status takeOver(const Access &access, const std::string &tcti);
    // Transient objects and sessions in the TPM.
    base::Result<Handles> handles();
    // Flushes all of them but these.
    base::Status flushAllBut(const Handles &kept);
    // After a failure without a resource manager: what this connection made and lost track of,
    // because the answer did not arrive.
    base::Status sweep();

    const Library *tss_ = nullptr;
    base::UniqueFd lock_;
    TSS2_TCTI_CONTEXT *tcti_ = nullptr;
    ESYS_CONTEXT *esys_ = nullptr;
    bool failed_ = false;
    Handles before_;                   // not ours
    std::optional<OpeningNote> note_;  // without a resource manager
};

// A session or an object in the TPM: flushed at the end, or, for what stays in the TPM, let go of.
class Handle {
  public:
    enum class Kind { Flushed, LetGo };

    Handle() = default;
    Handle(Connection &connection, ESYS_TR value, Kind kind)
        : connection_(&connection), value_(value), kind_(kind) {}
    Handle(Handle &&other) noexcept
        : connection_(other.connection_),
          value_(std::exchange(other.value_, ESYS_TR_NONE)),
          kind_(other.kind_) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this == &other) return *this;
        reset();
        connection_ = other.connection_;
        value_ = std::exchange(other.value_, ESYS_TR_NONE);
        kind_ = other.kind_;
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { reset(); }

    [[nodiscard]] ESYS_TR get() const { return value_; }

  private:
    void reset() noexcept;

    Connection *connection_ = nullptr;
    ESYS_TR value_ = ESYS_TR_NONE;
    Kind kind_ = Kind::Flushed;
};

}  // namespace volumecrypt::tpm
