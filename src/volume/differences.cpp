// SPDX-License-Identifier: Apache-2.0
// Compares the declaration with the header and with the file system behind it.
#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "blockdev/signature.h"
#include "model/names.h"
#include "volume/comparison.h"

namespace volumecrypt::volume {
namespace {

// `what` it has, `has` and what the configuration says in the same words.
void warn(const Session &session, const std::string &what, const std::string &has,
          const std::string &declared) {
    session.reporter().warning(base::ErrorCode::InvalidConfig,
                               session.describe() + ": its " + what + " is " + has +
                                   ", the configuration says " + declared +
                                   "; it keeps what it was made with");
}

void compareNumber(const Session &session, const std::string &what, unsigned has, unsigned declared,
                   const std::string &unit) {
    if (has != declared)
        warn(session, what, std::to_string(has) + unit, std::to_string(declared) + unit);
}

// Only a hint: a mapping that cannot be read says nothing.
void lookThroughMapping(const Session &session) {
    const auto fd = base::openFile(model::mappingPath(session.id()), O_RDONLY);
    if (!fd) return;
    const off_t size = ::lseek(fd->get(), 0, SEEK_END);
    if (size <= 0) return;
    const auto found = blockdev::findSignature(fd->get(), static_cast<std::uint64_t>(size));
    if (found && *found) warnOfOtherFilesystem(session, **found);
}

}  // namespace

void warnOfOtherFilesystem(const Session &session, const blockdev::Content &content) {
    const model::FilesystemType declared = session.spec().filesystem.type;
    if (declared == model::FilesystemType::None || content.type.empty()) return;
    const std::string name(model::filesystemName(declared));
    if (content.type != name) warn(session, "file system", content.type, name);
}

void warnOfTpmAlone(const Session &session, const model::HeaderView &header) {
    const model::EncryptionSpec &declared = session.encryption();
    const auto byTpm = [](const model::KeySpec &key) { return key.kind() == model::KeyKind::Tpm; };
    const auto isDeclared = [&](const auto &slot) { return declared.declares(slot.first); };
    if (!std::all_of(declared.keys.begin(), declared.keys.end(), byTpm) ||
        !std::all_of(header.slots.begin(), header.slots.end(), isDeclared))
        return;
    session.reporter().warning(
        base::ErrorCode::LastKey,
        session.describe() +
            ": only the TPM opens it, and an update of the firmware or another mainboard takes "
            "that key away; make a recovery key: `volumecryptctl add-key --recovery " +
            session.id().text() + "`");
}

void warnOfDifferences(const Session &session, const model::HeaderView &header, bool mapped) {
    const model::EncryptionSpec &declared = session.encryption();
    const model::SegmentView &data = header.dataSegment();
    if (data.cipher != declared.cipher) warn(session, "cipher", data.cipher, declared.cipher);
    // Of a header without key slots it is not known.
    if (header.volumeKeyBits != 0)
        compareNumber(session, "key size", header.volumeKeyBits, declared.keyBits, " bits");
    if (declared.sectorSize != 0)
        compareNumber(session, "sector size", data.sectorSize, declared.sectorSize, " bytes");
    if (mapped) lookThroughMapping(session);
}

}  // namespace volumecrypt::volume
