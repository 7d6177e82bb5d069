// SPDX-License-Identifier: Apache-2.0
// The libraries of tpm2-tss: there, missing, and too old.
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "support/result_matchers.h"
#include "tpm/library.h"
#include "tpm/response.h"

namespace volumecrypt::tpm {
namespace {

using test::FailsWith;
using test::IsOk;
using ::testing::HasSubstr;

TEST(TpmLibrary, CodesHaveANumberBeforeAndANameAfter) {
    ASSERT_EQ(Library::loaded(), nullptr);
    EXPECT_THAT(responseError("unseal", 0x921).message,
                HasSubstr("unseal: response code 0x00000921"));
    // Frees nothing, and does not crash.
    const EsysMemory<int> nothing;
    EsysDeleter()(nullptr);
    ASSERT_THAT(Library::load(), IsOk());
    EXPECT_THAT(responseError("unseal", 0x921).message, HasSubstr("lockout"));
}

TEST(TpmLibrary, IsLoadedOnce) {
    std::vector<std::thread> threads(8);
    std::vector<const Library *> seen(threads.size());
    for (std::size_t i = 0; i < threads.size(); ++i)
        threads[i] = std::thread([&seen, i] { seen[i] = Library::load().value_or(nullptr); });
    for (std::thread &thread : threads) thread.join();
    ASSERT_NE(seen[0], nullptr);
    for (const Library *library : seen) EXPECT_EQ(library, seen[0]);
    EXPECT_EQ(Library::loaded(), seen[0]);
}

TEST(TpmLibrary, MissingOneIsNamed) {
    for (std::size_t missing = 0; missing < libraryFiles().size(); ++missing) {
        std::vector<LibraryFile> files = libraryFiles();
        files[missing] = {.name = "libtss2-of-another-world.so.0", .package = "libtss2-world0"};
        const auto result = loadFrom(files);
        ASSERT_THAT(result, FailsWith(base::ErrorCode::TpmUnavailable,
                                      HasSubstr("libtss2-of-another-world.so.0")));
        EXPECT_THAT(result.error().hint, HasSubstr("libtss2-world0"));
        EXPECT_FALSE(result.error().retry);
    }
}

TEST(TpmLibrary, MissingFunctionIsNamed) {
    const std::vector<LibraryFile> files{{.name = "libtss2-mu.so.0", .package = ""}};
    EXPECT_THAT(loadFrom(files), FailsWith(base::ErrorCode::TpmUnavailable, HasSubstr("Esys_")));
}

}  // namespace
}  // namespace volumecrypt::tpm
