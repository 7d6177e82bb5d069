// SPDX-License-Identifier: Apache-2.0
// Replaces the global allocation functions of the engine by ones that wipe memory before it is
// freed: yaml-cpp and the JSON library keep copies of what they parse, passphrases among it.
#include <cstdlib>
#include <new>

#include <malloc.h>
#include <string.h>

namespace {

void wipeAndFree(void *pointer) noexcept {
    if (pointer == nullptr) return;
    ::explicit_bzero(pointer, ::malloc_usable_size(pointer));
    std::free(pointer);  // NOLINT(cppcoreguidelines-no-malloc): this is the allocator
}

void *allocate(std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-no-malloc): this is the allocator
    if (void *pointer = std::malloc(size == 0 ? 1 : size)) return pointer;
    throw std::bad_alloc();
}

}  // namespace

void *operator new(std::size_t size) {
    return allocate(size);
}
void *operator new[](std::size_t size) {
    return allocate(size);
}
// Without these, memory for std::stable_sort would come from elsewhere and be freed here.
void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-no-malloc): this is the allocator
    return std::malloc(size == 0 ? 1 : size);
}
void *operator new[](std::size_t size, const std::nothrow_t &tag) noexcept {
    return operator new(size, tag);
}
void operator delete(void *pointer) noexcept {
    wipeAndFree(pointer);
}
void operator delete[](void *pointer) noexcept {
    wipeAndFree(pointer);
}
void operator delete(void *pointer, std::size_t /*size*/) noexcept {
    wipeAndFree(pointer);
}
void operator delete[](void *pointer, std::size_t /*size*/) noexcept {
    wipeAndFree(pointer);
}
