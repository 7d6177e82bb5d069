// SPDX-License-Identifier: Apache-2.0
// Tells the maker of a volume by the record's mark and the pin's.
#include "volume/maker.h"

#include "base/text.h"
#include "keys/derivations.h"
#include "keys/node_id.h"
#include "volume/former_name.h"
#include "volume/key_ring.h"
#include "volume/pin.h"

namespace volumecrypt::volume {
namespace {

// By its name, or by the one that it had before.
base::Result<Remembered> rememberedByAnyName(const Session &session,
                                             const model::HeaderView &header,
                                             const std::optional<model::VolumeId> &former) {
    VC_ASSIGN(Remembered pin, rememberedOf(session, session.id(), header.uuid));
    if (pin.isThis || pin.isOther || !former) return pin;
    return rememberedOf(session, *former, header.uuid);
}

}  // namespace

std::string machineMark(const Session &session, const base::SecretBuffer &recordKey) {
    const auto uuid = keys::machineUuid(keyContext(session));
    // What firmware writes in place of a UUID is the same on many machines.
    if (!uuid || !keys::checkUuidEntropy(*uuid)) return {};
    return keys::machineMark(recordKey, *uuid);
}

base::Result<Maker> findMaker(const Session &session, const model::HeaderView &header,
                              const FoundRecord &found, const base::SecretBuffer &recordKey) {
    const std::string mark = found.record ? found.record->machine : std::string();
    if (mark.empty()) return Maker::Unknown;
    VC_ASSIGN(const Remembered pin, rememberedByAnyName(session, header, found.former));
    if (pin.isThis && pin.machine == base::toHex(mark)) return Maker::Here;
    return machineMark(session, recordKey) == mark ? Maker::Here : Maker::Elsewhere;
}

std::string strangeness(const Session &session, const model::HeaderView &header) {
    const FoundRecord found = peekRecord(header);
    const auto pin = rememberedByAnyName(
        session, header, found.record ? formerName(session, *found.record) : std::nullopt);
    if (!pin) return {};
    if (pin->isOther)
        return "its UUID is " + header.uuid +
               ", and this machine remembers another volume in its place";
    const bool marked = found.record && !found.record->machine.empty() &&
                        found.record->phase == model::Phase::Ready;
    if (!marked) return {};
    if (!pin->isThis)
        return "it was made by another machine, or by this one before its system was installed "
               "anew: this one does not remember it";
    if (pin->machine != base::toHex(found.record->machine)) return "it was made by another machine";
    return {};
}

std::string otherMachineHint(const Session &session, bool open) {
    if (open) return adoptionHint(session) + ".";
    return "Its recovery key, or a passphrase, opens it here as well: `volumecryptctl unlock " +
           session.id().text() + " --passphrase` asks for it.";
}

std::string adoptionHint(const Session &session) {
    return "`volumecryptctl sync --adopt " + session.id().text() +
           "` makes the volume this machine's, and its keys equal to the declared ones";
}

void warnOfOtherMachine(const Session &session) {
    session.reporter().warning(base::ErrorCode::ForeignVolume,
                               session.describe() +
                                   " was made by another machine: none of the keys that it has is "
                                   "removed or replaced. " +
                                   adoptionHint(session));
}

}  // namespace volumecrypt::volume
