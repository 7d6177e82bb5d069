// SPDX-License-Identifier: Apache-2.0
// mmap(2), shared: no page is copied.
#include "base/mapped_bytes.h"

#include <cerrno>
#include <utility>

#include <sys/mman.h>

namespace volumecrypt::base {

Result<MappedBytes> MappedBytes::of(int memory, std::size_t size) {
    void *data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, memory, 0);
    if (data == MAP_FAILED) return fail(errnoError("map a memory file", errno));
    return MappedBytes(data, size);
}

MappedBytes::MappedBytes(MappedBytes &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedBytes &MappedBytes::operator=(MappedBytes &&other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedBytes::~MappedBytes() {
    if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace volumecrypt::base
