// SPDX-License-Identifier: Apache-2.0
// The note of what was in a TPM, as a JSON array of numbers.
#include "tpm/opening_note.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/files.h"
#include "base/foreign_json.h"
#include "base/text.h"
#include "crypto/digest.h"

namespace volumecrypt::tpm {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongest = std::size_t{16} << 10;
constexpr unsigned kMode = 0600;

}  // namespace

OpeningNote::OpeningNote(const model::SystemPaths &paths, const std::string &tcti)
    : path_(paths.lockDir() + "/tpm." + base::toHex(crypto::sha256(tcti)).substr(0, 16)) {}

std::optional<Handles> OpeningNote::read() const {
    const auto text = base::readFile(path_, kLongest);
    if (!text) return std::nullopt;
    const auto handles = base::integersIn<std::uint32_t>(base::parseForeignJson(*text));
    if (!handles) return std::nullopt;
    return Handles(handles->begin(), handles->end());
}

base::Status OpeningNote::write(const Handles &handles) const {
    return base::writeFileAtomically(path_, Json(handles).dump(), kMode);
}

void OpeningNote::remove() const {
    (void)::unlink(path_.c_str());
}

}  // namespace volumecrypt::tpm
