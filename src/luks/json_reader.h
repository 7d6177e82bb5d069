// SPDX-License-Identifier: Apache-2.0
// Typed access to the members of a JSON object that nobody vouches for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace volumecrypt::luks {

// Does not own the JSON it reads. All errors are HeaderCorrupt and name the place.
class JsonReader {
  public:
    JsonReader(const nlohmann::json &value, std::string where)
        : value_(&value), where_(std::move(where)) {}

    [[nodiscard]] bool has(const char *name) const;
    [[nodiscard]] base::Result<JsonReader> object(const char *name) const;
    [[nodiscard]] base::Result<std::string> text(const char *name) const;
    // A JSON integer from 0 to `limit`.
    [[nodiscard]] base::Result<std::uint64_t> number(const char *name, std::uint64_t limit) const;
    // A string of decimal digits, as LUKS2 writes 64-bit numbers.
    [[nodiscard]] base::Result<std::uint64_t> bigNumber(const char *name) const;
    [[nodiscard]] base::Result<std::vector<std::string>> texts(const char *name) const;
    // An array of strings of decimal digits, each below `limit`.
    [[nodiscard]] base::Result<std::vector<unsigned>> numbers(const char *name,
                                                              unsigned limit) const;
    // The members, all of them objects, under their number, each below `limit`.
    [[nodiscard]] base::Result<std::vector<std::pair<unsigned, JsonReader>>> members(
        unsigned limit) const;

    [[nodiscard]] const nlohmann::json &json() const { return *value_; }
    [[nodiscard]] const std::string &where() const { return where_; }
    [[nodiscard]] tl::unexpected<base::Error> problem(const std::string &what) const;

  private:
    const nlohmann::json *value_;
    std::string where_;
};

}  // namespace volumecrypt::luks
