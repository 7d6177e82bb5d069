// SPDX-License-Identifier: Apache-2.0
// SecretBuffer: what it holds, where, and what it leaves behind.
#include "base/secret_buffer.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <sys/wait.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/secret_pool.h"

namespace volumecrypt {
namespace {

using base::SecretBuffer;

std::string textOf(const SecretBuffer &secret) {
    return std::string(secret.chars(), secret.size());
}

// The flags that the kernel shows of the mapping with this address ("VmFlags" of smaps).
std::string flagsOf(const void *address) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::ifstream maps("/proc/self/smaps");
    bool here = false;
    for (std::string line; std::getline(maps, line);) {
        std::istringstream words(line);
        std::uintptr_t from = 0;
        std::uintptr_t to = 0;
        char dash = 0;
        if (words >> std::hex >> from >> dash >> to && dash == '-')
            here = wanted >= from && wanted < to;
        if (here && line.starts_with("VmFlags:")) return line + " ";
    }
    return {};
}

TEST(SecretBuffer, HoldsWhatItWasGiven) {
    SecretBuffer secret = SecretBuffer::copyOf(std::string_view("a passphrase"));
    EXPECT_EQ(textOf(secret), "a passphrase");
    secret.truncate(6);
    EXPECT_EQ(textOf(secret), "a pass");
    EXPECT_EQ(textOf(secret.appended(std::as_bytes(std::span("+", 1)))), "a pass+");
    const SecretBuffer moved = std::move(secret);
    EXPECT_EQ(textOf(moved), "a pass");
    EXPECT_TRUE(moved == SecretBuffer::copyOf(std::string_view("a pass")));
    EXPECT_FALSE(moved == SecretBuffer::copyOf(std::string_view("a pasS")));
    EXPECT_FALSE(moved == SecretBuffer());
}

TEST(SecretBuffer, IsInNoCoreDumpAndNoChild) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{512}, std::size_t{100000}}) {
        const SecretBuffer secret(size);
        const std::string flags = flagsOf(secret.chars());
        EXPECT_NE(flags.find(" dd "), std::string::npos) << size << ": " << flags;  // DONTDUMP
        EXPECT_NE(flags.find(" wf "), std::string::npos) << size << ": " << flags;  // WIPEONFORK
#ifndef __SANITIZE_ADDRESS__  // whose run-time makes mlock do nothing
        EXPECT_NE(flags.find(" lo "), std::string::npos) << size << ": " << flags;  // locked
#endif
    }
}

TEST(SecretBuffer, IsZeroInAChild) {
    const SecretBuffer small = SecretBuffer::copyOf(std::string_view("small secret"));
    const SecretBuffer large = SecretBuffer::copyOf(std::string(5000, 's'));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        bool zero = true;
        for (const SecretBuffer *secret : {&small, &large})
            for (const std::byte byte : secret->bytes()) zero = zero && byte == std::byte{0};
        ::_exit(zero ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST(SecretBuffer, StartsWithZerosWhateverWasThereBefore) {
    const void *place = nullptr;
    {
        const SecretBuffer first = SecretBuffer::copyOf(std::string(200, 'x'));
        place = first.chars();
    }
    const SecretBuffer second(200);
    // Else this tests nothing.
    ASSERT_EQ(second.chars(), place);
    EXPECT_EQ(textOf(second), std::string(200, '\0'));
}

TEST(SecretBuffer, ManyAndLargeOnesKeepApart) {
    std::vector<SecretBuffer> secrets;
    for (std::size_t i = 0; i < 600; ++i)
        secrets.push_back(
            SecretBuffer::copyOf(std::string(1 + i * 7, static_cast<char>('a' + i % 26))));
    for (std::size_t i = 0; i < secrets.size(); i += 2) secrets[i] = SecretBuffer();
    for (std::size_t i = 0; i < secrets.size(); i += 2)
        secrets[i] = SecretBuffer::copyOf(std::string(1 + i * 3, static_cast<char>('A' + i % 26)));
    for (std::size_t i = 0; i < secrets.size(); ++i)
        EXPECT_EQ(textOf(secrets[i]),
                  i % 2 == 0 ? std::string(1 + i * 3, static_cast<char>('A' + i % 26))
                             : std::string(1 + i * 7, static_cast<char>('a' + i % 26)));
}

TEST(SecretPool, GivesNoMoreThanItHas) {
    base::SecretPool &pool = base::SecretPool::instance();
    std::vector<std::byte *> taken;
    while (std::byte *cell = pool.take(1024)) taken.push_back(cell);
    EXPECT_FALSE(taken.empty());
    EXPECT_EQ(pool.take(1025), nullptr);
    for (std::byte *cell : taken) {
        EXPECT_TRUE(pool.owns(cell));
        pool.giveBack(cell, 1024);
    }
    std::byte *again = pool.take(1024);
    EXPECT_NE(again, nullptr);
    pool.giveBack(again, 1024);
}

}  // namespace
}  // namespace volumecrypt
