// SPDX-License-Identifier: Apache-2.0
// The bytes of a memory file in this process's memory, for reading.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace volumecrypt::base {

// Only of a memfd that nobody else has: were it shortened, reading would end the process.
class MappedBytes {
  public:
    // The first `size` bytes; the descriptor may be closed afterwards. Io.
    static Result<MappedBytes> of(int memory, std::size_t size);
    MappedBytes(MappedBytes &&other) noexcept;
    MappedBytes &operator=(MappedBytes &&other) noexcept;
    MappedBytes(const MappedBytes &) = delete;
    MappedBytes &operator=(const MappedBytes &) = delete;
    ~MappedBytes();

    [[nodiscard]] std::string_view view() const noexcept {
        return {static_cast<const char *>(data_), size_};
    }

  private:
    MappedBytes(void *data, std::size_t size) : data_(data), size_(size) {}

    void *data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace volumecrypt::base
