// SPDX-License-Identifier: Apache-2.0
// A TPM that is another one, away, faulty or full, engines that are killed, and headers that lack
// what the TPM's key needs.
#include <csignal>
#include <filesystem>
#include <thread>

#include <unistd.h>

#include "base/files.h"
#include "engine_tpm_fixture.h"

namespace volumecrypt::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Loading tpm2-tss costs more than opening a volume by a static key.
TEST_F(EngineTpmTest, LibrariesAreLoadedForTpmKeysOnly) {
    environment_.emplace_back("LD_DEBUG=files");
    const std::string statics = "- {slot: 0, static: {passphrase: other}}\n- {slot: 1, nodeID: {}}";
    declare(statics);
    const auto loadedBy = [&](const std::string &verb) {
        const EngineResult result = run(verb);
        EXPECT_EQ(result.exitCode, 0) << verb << result.last().dump();
        EXPECT_THAT(result.err, HasSubstr("libcryptsetup.so")) << "the loader says nothing";
        return result.err.find("libtss2") != std::string::npos;
    };
    for (const char *verb : {"format", "inspect", "plan", "sync"}) EXPECT_FALSE(loadedBy(verb));
    declare(statics + "\n- {slot: 2, tpm: {}}");
    EXPECT_TRUE(loadedBy("sync"));
}

TEST_F(EngineTpmTest, OtherTpm) {
    formatted();
    tpm_.clear();
    const EngineResult plan = run("plan");
    EXPECT_EQ(plan.steps(), Steps{"replace 0"});
    EXPECT_THAT(reasonOf(plan, 0), HasSubstr("another one"));
    declare("- {slot: 0, tpm: {}}");
    EXPECT_THAT(run("sync").last().at("message").get<std::string>(),
                HasSubstr("sealed by another TPM"));
    declare(kTpmAndStatic);
    EXPECT_EQ(run("sync").steps(), Steps{"replace 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
}

TEST_F(EngineTpmTest, NoTpmIsNoReasonToChangeAnything) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult sync = engine("sync", {"--tcti", "swtpm:path=/nonexistent/socket"});
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(openedBy(sync), "1");
    EXPECT_EQ(sync.steps(), Steps{});
    EXPECT_THAT(reasonOf(sync, 0), HasSubstr("unverified"));
    EXPECT_TRUE(imageBytes() == before);
}

// As in a unit without the capability: udev gives the device to a user of its own, and root is
// nobody to it. Which volume, which slot, and what to do.
TEST_F(EngineTpmTest, DeviceThatTheSandboxRefuses) {
    ASSERT_EQ(::geteuid(), 0U);
    formatted("- {slot: 5, tpm: {}}\n- {slot: 6, static: {passphrase: other}}");
    declare("- {slot: 5, tpm: {}}");
    const std::string before = imageBytes();
    directory_.write("root/sys/class/tpmrm/tpmrm0/dev", "250:65536\n");
    const std::string node = directory_.write("root/dev/tpmrm0", "", std::filesystem::perms{0660});
    ASSERT_EQ(::chown(node.c_str(), 65534, 65534), 0);
    ASSERT_EQ(root_, directory_.path() + "/root");
    const auto refused = [&](const std::string &verb) {
        const auto done = Process{
            .argv = {"setpriv", "--bounding-set=-dac_override", VOLUMECRYPT_ENGINE, verb, "u-data",
                     "--root", root_, "--config-dir", configDir_, "--output", "json"},
            .input = {},
            .secret = {}}.run();
        EXPECT_EQ(done.exitCode, 1) << done.err;
        return nlohmann::json::parse(done.out.substr(done.out.rfind("{\"code")));
    };
    const std::string why = "slot 5: this machine has a TPM, but " + node +
                            " may not be opened by this process: Permission denied";
    const auto whatToDo = AllOf(HasSubstr("`systemctl daemon-reload`"),
                                HasSubstr("DeviceAllow= or CapabilityBoundingSet="));
    const std::string volume = "volume u-data (" + image_ + ")";
    for (const std::string verb : {"sync", "plan"}) {
        const auto error = refused(verb);
        EXPECT_EQ(error.at("code"), "TpmUnavailable");
        EXPECT_EQ(error.at("message"), volume + ": no declared key opens it: " + why);
        EXPECT_THAT(error.at("hint").get<std::string>(), whatToDo);
    }
    // With other keys that fail for other reasons, its advice is not lost.
    declare("- {slot: 5, tpm: {}}\n- {slot: 6, static: {passphrase: another}}");
    const auto error = refused("sync");
    EXPECT_EQ(error.at("code"), "NoUsableKey");
    EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr(why));
    EXPECT_THAT(error.at("hint").get<std::string>(),
                AllOf(whatToDo, HasSubstr("`volumecryptctl unlock u-data --passphrase`")));
    EXPECT_TRUE(imageBytes() == before);
}

TEST_F(EngineTpmTest, MissingTokenIsMadeAgain) {
    formatted();
    ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", "31", image_}).exitCode, 0);
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"replace 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
}

// The plan says what turns it into ours, and that works.
TEST_F(EngineTpmTest, SlotThatTalosSealed) {
    formatted("- {slot: 1, static: {passphrase: other}}");
    const std::string key = directory_.write("talos", "of Talos", std::filesystem::perms{0600});
    ASSERT_EQ(cryptsetup({"luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                          "--key-slot", "0", "--key-file", "-", image_, key},
                         "other")
                  .exitCode,
              0);
    const std::string token = directory_.write(
        "token", R"({"type":"talos-tpm2","keyslots":[],"kty":"tpm2","key":"AAAA"})");
    ASSERT_EQ(
        cryptsetup({"token", "import", "--token-id", "0", "--json-file", token, image_}).exitCode,
        0);
    declare(kTpmAndStatic);
    const EngineResult plan = run("plan");
    const std::string reason = reasonOf(plan, 0);
    ASSERT_THAT(reason, HasSubstr("Talos")) << plan.last().dump();
    EXPECT_EQ(plan.steps(), Steps{"refuse 0"});
    // Every command but the last, which is the one that the test runs as `run`.
    for (std::size_t at = 0, end = 0; (at = reason.find('`', end)) != std::string::npos;) {
        end = reason.find('`', at + 1);
        const std::string command = reason.substr(at + 1, end - at - 1);
        ++end;
        if (command == "volumecryptctl sync u-data") break;
        const auto done = Process{
            .argv = {"sh", "-c", command + " --batch-mode"},
            .input = "other",
            .secret = {}}.run();
        ASSERT_EQ(done.exitCode, 0) << command << done.err;
    }
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), Steps{"add 0"});
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_FALSE(tokens().contains("0"));
}

TEST_F(EngineTpmTest, RecordThatIsGoneIsMadeAgain) {
    formatted();
    const nlohmann::json json = header();
    for (const auto &[id, token] : json.at("tokens").items()) {
        if (token.at("type") != "volumecrypt") continue;
        ASSERT_EQ(cryptsetup({"token", "remove", "--token-id", id, image_}).exitCode, 0);
    }
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps(), (Steps{"adopt 0", "adopt 1"}));
    EXPECT_EQ(run("plan").exitCode, 0);
}

// Whatever command fails, there is a whole key with its token or none at all.
TEST_F(EngineTpmTest, FaultyTpmLeavesNoHalfKey) {
    formatted("- {slot: 1, static: {passphrase: other}}");
    declare(kTpmAndStatic);
    const std::string blank = imageBytes();
    const std::string counter = directory_.path() + "/count";
    const auto proxy = [&](int nth) {
        return std::string("cmd:" TPM_PROXY " ") + tpm_.socket() + " " + std::to_string(nth) +
               " noise " + counter;
    };
    ASSERT_EQ(engine("sync", {"--tcti", proxy(0)}).exitCode, 0);
    ASSERT_EQ(tokens().size(), 1U);
    // Of the connection with the most commands: seal.
    int failures = 0;
    for (int nth = 1; nth <= 16; ++nth) {
        ASSERT_TRUE(base::writeFileAtomically(image_, blank, 0600));
        const EngineResult result = engine("sync", {"--tcti", proxy(nth)});
        failures += result.exitCode != 0 || result.steps() != Steps{"add 0"} ? 1 : 0;
        const bool whole = header().at("keyslots").contains("0");
        EXPECT_EQ(tokens().size(), whole ? 1U : 0U) << nth;
        EXPECT_TRUE(opens(1, "other")) << nth;
        const EngineResult after = run("sync");
        EXPECT_EQ(after.exitCode, 0) << nth << after.last().dump();
        EXPECT_EQ(openedBy(run("plan")), "\"\"") << nth;
        EXPECT_EQ(run("plan").exitCode, 0) << nth;
        EXPECT_EQ(openedBy(run("sync")), "0") << nth;
    }
    EXPECT_GT(failures, 5);
}

TEST_F(EngineTpmTest, FullHeader) {
    std::string keys;
    for (int slot = 0; slot < 31; ++slot)
        keys += "- {slot: " + std::to_string(slot) + ", tpm: {}}\n";
    keys += "- {slot: 31, static: {passphrase: other}}";
    formatted(keys);
    EXPECT_EQ(tokens().size(), 31U);
    tpm_.extend(7, "update");
    const EngineResult sync = run("sync");
    EXPECT_EQ(sync.exitCode, 0) << sync.last().dump();
    EXPECT_EQ(sync.steps().size(), 31U);
    EXPECT_EQ(openedBy(run("sync")), "0");
    EXPECT_EQ(tokens().size(), 31U);
}

TEST_F(EngineTpmTest, RotateWithoutATpmChangesNothing) {
    formatted();
    const std::string before = imageBytes();
    const EngineResult failed =
        engine("rotate", {"--slot", "0", "--tcti", "swtpm:path=" + directory_.path() + "/none"});
    EXPECT_EQ(failed.exitCode == 1 || failed.exitCode == 75, true);
    EXPECT_EQ(failed.code(), "TpmUnavailable");
    EXPECT_TRUE(imageBytes() == before);
}

// swtpm serves one connection, and has room for three sessions.
TEST_F(EngineTpmTest, ManyAtOnceTakeTurns) {
    formatted("- {slot: 0, tpm: {}}");
    constexpr std::size_t kEngines = 8;
    std::vector<EngineResult> results(kEngines);
    std::vector<std::thread> threads;
    threads.reserve(kEngines);
    for (EngineResult &result : results)
        threads.emplace_back([this, &result] { result = run("plan"); });
    for (std::thread &thread : threads) thread.join();
    for (const EngineResult &result : results) {
        EXPECT_EQ(result.exitCode, 0) << result.last().dump();
        EXPECT_EQ(tpm_.leftovers(), "");
    }
}

// Killed in the middle of an unseal, again and again, as the kernel does when memory is short:
// without a resource manager the TPM keeps what the dead ones had in it, and has room for little.
TEST_F(EngineTpmTest, KilledOnesDoNotUseUpTheTpm) {
    formatted();
    const std::string proxy = directory_.path() + "/proxy";
    const std::string counter = directory_.path() + "/count";
    const auto silentAt = [&](const std::string &nth) {
        ASSERT_TRUE(base::writeFileAtomically(
            proxy, "exec " TPM_PROXY " " + tpm_.socket() + " " + nth + " silence " + counter + "\n",
            0600));
    };
    const std::string tcti = "cmd:sh " + proxy;
    const std::string killWhenItIsSilent = R"sh(
        rm -f "$1"; counter=$1; nth=$2; shift 2
        "$@" & engine=$!
        while kill -0 $engine && [ "$(cat "$counter" 2>/dev/null)" != $nth ]; do sleep 0.02; done
        kill -KILL $engine; wait $engine)sh";
    bool left = false;
    for (const std::string nth : {"8", "10", "11", "12", "13"}) {
        silentAt(nth);
        const Process killed{
            .argv = {"sh", "-c", killWhenItIsSilent, "sh", counter, nth, VOLUMECRYPT_ENGINE, "plan",
                     "u-data", "--root", root_, "--config-dir", configDir_, "--tcti", tcti},
            .input = {},
            .secret = {}};
        EXPECT_EQ(killed.run().exitCode, 128 + SIGKILL) << "at command " << nth;
        left = left || !tpm_.leftovers().empty();
    }
    EXPECT_TRUE(left) << "none died in the middle";
    silentAt("0");
    const EngineResult plan = engine("plan", {"--tcti", tcti});
    EXPECT_EQ(plan.exitCode, 0) << plan.last().dump();
    EXPECT_EQ(openedBy(engine("sync", {"--tcti", tcti})), "0");
}

}  // namespace
}  // namespace volumecrypt::test
