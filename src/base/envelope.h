// SPDX-License-Identifier: Apache-2.0
// A message between two of our programs over a pipe: a few named texts and one secret.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/result.h"
#include "base/secret_buffer.h"

namespace volumecrypt::base {

// On the wire: one line "NAME VALUE" for each field, in order of their names, then the line
// "data LENGTH", then exactly LENGTH bytes, and no more. Names are [a-z-]+ and never `data`, values
// hold no control character: the whole head is text, and the secret follows it as it is.
struct Envelope {
    std::map<std::string, std::string> fields;
    SecretBuffer data;

    // The head and the data in one buffer. Internal when a name or a value is not as above.
    [[nodiscard]] Result<SecretBuffer> encode() const;
    // Internal when `bytes` is no such message.
    static Result<Envelope> decode(const SecretBuffer &bytes);

    // The field's value; empty when there is none.
    [[nodiscard]] std::string field(const std::string &name) const;
};

}  // namespace volumecrypt::base
