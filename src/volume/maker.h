// SPDX-License-Identifier: Apache-2.0
// Which machine made the keys of a volume: a disk may be moved to another one, and its keys may be
// all that opens it where it came from.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"
#include "model/header_view.h"
#include "volume/record_book.h"
#include "volume/session.h"

namespace volumecrypt::volume {

// Unknown: the record has no mark, as those of earlier versions, or of a machine without a UUID.
enum class Maker { Unknown, Here, Elsewhere };

// The mark of this machine in the record of an opened volume; empty when the firmware gives it no
// UUID of its own.
std::string machineMark(const Session &session, const base::SecretBuffer &recordKey);

// Of an authenticated record. Here also when this machine's pin remembers the very mark: with
// another main board in it a machine has another UUID. Elsewhere when this machine has no UUID to
// compare. Io when the pin cannot be looked at.
base::Result<Maker> findMaker(const Session &session, const model::HeaderView &header,
                              const FoundRecord &found, const base::SecretBuffer &recordKey);

// Without a key: what the header, the record and the pin say of a volume that is not this
// machine's, in words that follow a colon; empty when they say nothing of the kind. Nobody vouches
// for any of it, so it is shown, and decides nothing.
std::string strangeness(const Session &session, const model::HeaderView &header);

// "volume u-data (/dev/sdb1) was made by another machine: …", once a key has opened it.
void warnOfOtherMachine(const Session &session);

// What to do with a volume that is strange: open it, or when it is open take it over.
std::string otherMachineHint(const Session &session, bool open);

// How to take such a volume over, as a hint.
std::string adoptionHint(const Session &session);

}  // namespace volumecrypt::volume
