// SPDX-License-Identifier: Apache-2.0
// A TPM that is not there, or is and cannot be opened, as a sandbox, another program or a loose
// chip make it: told apart, each with what to do.
#include <cerrno>

#include <sys/socket.h>
#include <sys/un.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/files.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "tpm/device.h"
#include "tpm/sealer.h"

namespace volumecrypt::test {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

class TpmDevice : public testing::Test {
  protected:
    TempDir root_;
};

// What tpm2-tss calls an IO failure has as many causes as this table has rows.
TEST_F(TpmDevice, WhyItDoesNotOpen) {
    ASSERT_EQ(::geteuid(), 0U);
    const model::SystemPaths paths(root_.path());
    root_.write("sys/class/tpmrm/tpmrm0/dev", "250:65536\n");
    struct Row {
        int failure;
        const char *device;
        ErrorCode code;
        const char *message;
        const char *hint;
        bool retry;
    };
    const Row rows[] = {
        {EPERM, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "this machine has a TPM, but /dev/tpmrm0 may not be opened by this process: Operation not "
         "permitted",
         "`systemctl daemon-reload`", false},
        {EACCES, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "this machine has a TPM, but /dev/tpmrm0 may not be opened by this process: Permission "
         "denied",
         "DevicePolicy=, DeviceAllow= or CapabilityBoundingSet=", false},
        {ENOENT, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "this machine has a TPM, but /dev/tpmrm0 is hidden from this process",
         "PrivateDevices=", false},
        {ENOENT, "/dev/tpmrm1", ErrorCode::TpmUnavailable, "there is no TPM at /dev/tpmrm1",
         "`tcti`", false},
        {EBUSY, "/dev/tpm0", ErrorCode::Busy,
         "another program uses the TPM at /dev/tpm0: Device or resource busy",
         "`fuser -v /dev/tpm0`", true},
        {ENODEV, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "the TPM at /dev/tpmrm0 is gone: No such device", "`journalctl -b -k`", true},
        {ENXIO, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "the TPM at /dev/tpmrm0 is gone: No such device or address", "`journalctl -b -k`", true},
        {EIO, "/dev/tpmrm0", ErrorCode::TpmUnavailable,
         "open the TPM at /dev/tpmrm0: Input/output error", "`journalctl -b -k`", true},
    };
    for (const Row &row : rows) {
        const base::Error error = tpm::deviceError(paths, row.device, row.failure);
        EXPECT_EQ(error.code, row.code) << row.message;
        EXPECT_EQ(error.message, row.message);
        EXPECT_THAT(error.hint, HasSubstr(row.hint)) << row.message;
        EXPECT_EQ(error.retry, row.retry) << row.message;
    }
}

// Nodes that the kernel refuses: a socket is no device, and a directory opens for nobody.
TEST_F(TpmDevice, NodesThatRefuse) {
    tpm::Access machine{.tcti = {}, .paths = model::SystemPaths(root_.path()), .waitMs = 100};
    const auto found = [&] { return tpm::canSeal(machine, {.pcrs = {7}, .signer = {}}); };
    root_.write("sys/class/tpm/tpm0/tpm_version_major", "2\n");
    EXPECT_THAT(found(), FailsWith(ErrorCode::TpmUnavailable,
                                   "this machine has a TPM, but /dev/tpm0 is hidden from this "
                                   "process"));
    root_.write("sys/class/tpmrm/tpmrm0/dev", "250:65536\n");
    EXPECT_THAT(found(), FailsWith(ErrorCode::TpmUnavailable,
                                   "this machine has a TPM, but /dev/tpmrm0 is hidden from this "
                                   "process"));
    const std::string node = root_.path() + "/dev/tpmrm0";
    ASSERT_TRUE(base::makeDirectories(root_.path() + "/dev"));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    ASSERT_LT(node.size(), sizeof(address.sun_path));
    node.copy(address.sun_path, node.size());
    const base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)),
              0);
    EXPECT_THAT(found(), FailsWith(ErrorCode::TpmUnavailable, HasSubstr(node + " is gone")));
    // As a declared one; so does the name alone that tpm2-tss knows.
    for (const std::string &tcti : {"device:" + node, std::string("device")}) {
        machine.tcti = tcti;
        EXPECT_THAT(found(), FailsWith(ErrorCode::TpmUnavailable, HasSubstr(node + " is gone")));
    }
    ASSERT_EQ(::unlink(node.c_str()), 0);
    ASSERT_TRUE(base::makeDirectories(node));
    EXPECT_THAT(found(), FailsWith(ErrorCode::TpmUnavailable, HasSubstr("Is a directory")));
}

}  // namespace
}  // namespace volumecrypt::test
