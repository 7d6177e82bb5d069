// SPDX-License-Identifier: Apache-2.0
// Any bytes as the JSON of a header, of its tokens and of the files beside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "keys/kms.h"
#include "luks/metadata.h"
#include "model/record.h"
#include "model/slot_token.h"
#include "model/volume_spec_json.h"
#include "tpm/policy_key.h"
#include "tpm/sealed_key.h"

namespace {

using namespace volumecrypt;

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string text(data, data + size);
    (void)model::tokenFromJson(text);
    if (const auto record = model::Record::fromJson(text)) {
        const auto again = model::Record::fromJson(record->toJson());
        require(again && again->authenticatedText() == record->authenticatedText());
    }
    if (const auto key = tpm::SealedKey::fromJson(text))
        require(tpm::SealedKey::fromJson(key->toJson(model::kSystemdTpmTokenType, 0)).has_value());
    if (const auto token = keys::KmsToken::fromJson(text)) require(!token->sealedData.empty());
    (void)tpm::findSignature(text, {}, {7}, std::string(32, 'p'));
    (void)model::volumeSpecFromJson(text);
    // Copying, comparing and writing a tree recurse.
    if (const auto header = luks::parseHeaderJson(text)) {
        const nlohmann::json copy = *header;
        require(copy == *header && !copy.dump().empty());
    }
    return 0;
}
