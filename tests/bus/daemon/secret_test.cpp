// SPDX-License-Identifier: Apache-2.0
// Apply with a passphrase, for a volume whose declared keys were all replaced: the real daemon and
// volumecryptctl, with the real engine on plain files and with a scripted one.
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <system_error>
#include <thread>

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client.h"
#include "support/process.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Result = sdbus::Struct<std::string, std::string, std::string>;

sdbus::UnixFd memoryFile(const std::string &text) {
    const int fd = ::memfd_create("secret", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
    return {fd, sdbus::adopt_fd};
}

sdbus::UnixFd pipeOf(const std::string &text) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(ends[1]);
    return {ends[0], sdbus::adopt_fd};
}

Options with(const std::string &volume, const sdbus::UnixFd &secret) {
    return {{"volume", sdbus::Variant(volume)}, {"secret", sdbus::Variant(secret)}};
}

class ApplyOnBus : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Absent); }
    static void TearDownTestSuite() { bus_.reset(); }

    explicit ApplyOnBus(Engine engine) : daemon_(engine) {}
    // "ID ACTION" of every result.
    std::vector<std::string> results(const std::string &job) {
        std::vector<std::string> found;
        for (const auto &result : client_.property<std::vector<Result>>(job, kJob, "Results"))
            found.push_back(result.get<0>() + " " + result.get<1>());
        return found;
    }
    Finished apply(const Options &options, std::vector<std::string> *done = nullptr) {
        sdbus::ObjectPath job;
        const auto answer = client_.get(job, kRoot, kManager, "Apply", options);
        if (!answer.ok())
            return {.seen = true, .success = false, .error = answer.error, .message = {}};
        auto end = client_.finished(job);
        if (done != nullptr) *done = results(job);
        end.error.erase(0, end.error.rfind('.') + 1);
        return end;
    }
    static ProcessResult ctl(std::vector<std::string> words, const std::string &input = {}) {
        words.insert(words.begin(), CTL_PROGRAM);
        return Process{.argv = words, .input = input, .secret = {}}.run();
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_;
    Client client_;
};
std::unique_ptr<TestBus> ApplyOnBus::bus_;

class ReplacedKeys : public ApplyOnBus {
  protected:
    ReplacedKeys() : ApplyOnBus(Engine::Real) {}
    // Made with the key A; declared since is B.
    void SetUp() override {
        image_ = daemon_.makeImage("data");
        declare("key A");
        daemon_.start();
        client_.listen();
        const Options confirmed{{"confirm", sdbus::Variant("u-data")}};
        const Finished done = client_.runJob(volumePath("u-data"), kVolume, "Format", confirmed);
        ASSERT_TRUE(done.success) << done.error << ": " << done.message;
        declare("key B");
    }
    void declare(const std::string &key) {
        daemon_.configure("data.yaml", daemon_.userVolume("data", {"0: " + key}));
    }
    bool opens(const std::string &passphrase) const {
        const Process process{
            .argv = {"cryptsetup", "open", "--test-passphrase", "--key-file", "-", image_},
            .input = passphrase,
            .secret = {}};
        return process.run().exitCode == 0;
    }

    std::string image_;
};

TEST_F(ReplacedKeys, TheHintOfApplyWorks) {
    const ProcessResult stuck = ctl({"apply"});
    EXPECT_EQ(stuck.exitCode, 1);
    EXPECT_THAT(stuck.err, HasSubstr("no declared key opens it"));
    const std::string hint = "`volumecryptctl apply u-data --secret-file FILE`";
    ASSERT_THAT(stuck.err, HasSubstr(hint));
    const ProcessResult done =
        ctl({"apply", "u-data", "--secret-file", daemon_.folder().write("key", "key A")});
    EXPECT_EQ(done.exitCode, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("u-data\tkeys\t"));
    EXPECT_TRUE(opens("key B"));
    EXPECT_FALSE(opens("key A"));
    const ProcessResult again = ctl({"apply"});
    EXPECT_EQ(again.exitCode, 0) << again.err;
    EXPECT_EQ(again.out, "");
}

TEST_F(ReplacedKeys, AWrongPassphraseChangesNothing) {
    const ProcessResult wrong = ctl({"apply", "u-data", "--secret-file", "-"}, "key C");
    EXPECT_EQ(wrong.exitCode, 1);
    EXPECT_THAT(wrong.err, HasSubstr("the given secret opens none of its key slots"));
    EXPECT_EQ(apply(with("u-data", memoryFile("key C"))).error, "KeyRejected");
    EXPECT_TRUE(opens("key A"));
    EXPECT_FALSE(opens("key B"));
    const ProcessResult right = ctl({"apply", "u-data", "--secret-file", "-"}, "key A");
    EXPECT_EQ(right.exitCode, 0) << right.err;
    EXPECT_TRUE(opens("key B"));
}

TEST_F(ReplacedKeys, APassphraseThatIsNotNeededIsNotUsed) {
    declare("key A");
    EXPECT_TRUE(apply(with("u-data", memoryFile("key C"))).success);
    EXPECT_TRUE(opens("key A"));
}

TEST_F(ReplacedKeys, APipeIsTakenToo) {
    EXPECT_TRUE(apply(with("u-data", pipeOf("key A"))).success);
    EXPECT_TRUE(opens("key B"));
}

// A file at whose offset a reader is stuck: it reads into memory that nobody provides. Memory files
// have no such lock.
class StuckFile {
  public:
    explicit StuckFile(const std::string &path)
        : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC), sdbus::adopt_fd),
          stuck_(::dup(file_.get())) {
        ::uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
        ::uffdio_register all{.range = {.start = address(), .len = kPage},
                              .mode = UFFDIO_REGISTER_MODE_MISSING,
                              .ioctls = 0};
        if (faults_ < 0 || page_ == MAP_FAILED || ::ioctl(faults_, UFFDIO_API, &api) != 0 ||
            ::ioctl(faults_, UFFDIO_REGISTER, &all) != 0)
            throw std::system_error(errno, std::generic_category(), "userfaultfd");
        reader_ = std::thread([this] { EXPECT_EQ(::read(stuck_, page_, 1), 1); });
        ::uffd_msg fault{};
        EXPECT_EQ(::read(faults_, &fault, sizeof fault), static_cast<ssize_t>(sizeof fault));
    }
    ~StuckFile() {
        release();
        ::munmap(page_, kPage);
        ::close(faults_);
        ::close(stuck_);
    }
    StuckFile(const StuckFile &) = delete;
    StuckFile &operator=(const StuckFile &) = delete;
    StuckFile(StuckFile &&) = delete;
    StuckFile &operator=(StuckFile &&) = delete;

    [[nodiscard]] const sdbus::UnixFd &file() const { return file_; }
    void release() {
        if (!reader_.joinable()) return;
        ::uffdio_zeropage zero{
            .range = {.start = address(), .len = kPage}, .mode = 0, .zeropage = 0};
        EXPECT_EQ(::ioctl(faults_, UFFDIO_ZEROPAGE, &zero), 0);
        reader_.join();
    }

  private:
    static constexpr std::size_t kPage = 4096;
    [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(page_); }

    sdbus::UnixFd file_;
    int stuck_;
    int faults_ = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC));
    void *page_ =
        ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::thread reader_;
};

class ScriptedApply : public ApplyOnBus {
  protected:
    ScriptedApply() : ApplyOnBus(Engine::Scripted) {}
    void SetUp() override {
        for (const char *name : {"a", "b"})
            daemon_.configure(std::string(name) + ".yaml",
                              daemon_.userVolume(name, {"0: declared"}));
        daemon_.script("plan", "result ',\"steps\":[]'");
        daemon_.script("sync", R"(case "$*" in *--secret-fd*) cat >>"$SCRIPTS/given"; result ;;
            *) error NoUsableKey "no" ;; esac)");
    }
    // What engines were told to do, besides looking.
    std::vector<std::string> calls() const {
        std::ifstream file(daemon_.folder().file("script/calls"));
        std::vector<std::string> found;
        for (std::string line; std::getline(file, line);)
            if (!line.starts_with("inspect"))
                found.push_back(line.substr(0, line.find(" --")) +
                                (line.find("--secret-fd") == std::string::npos ? "" : " secret"));
        return found;
    }
    void start() {
        daemon_.start();
        client_.listen();
    }
};

TEST_F(ScriptedApply, ThePassphraseIsForTheVolumeThatItWasGivenFor) {
    start();
    std::vector<std::string> done;
    EXPECT_TRUE(apply(with("u-a", memoryFile("it")), &done).success);
    EXPECT_THAT(calls(), ElementsAre("sync u-a", "sync u-a secret"));
    EXPECT_THAT(done, ElementsAre());
    std::ifstream given(daemon_.folder().file("script/given"));
    std::string text;
    std::getline(given, text);
    EXPECT_EQ(text, "it");
}

// Whoever asks for the offset of the caller's file waits for its reader.
TEST_F(ScriptedApply, AFileThatDoesNotAnswerHoldsNobodyUp) {
    start();
    StuckFile stuck(daemon_.folder().write("secret", "it"));
    sdbus::ObjectPath job;
    ASSERT_TRUE(client_.get(job, kRoot, kManager, "Apply", with("u-a", stuck.file())).ok());
    EXPECT_EQ(client_.property<std::string>(job, kJob, "Operation"), "apply");
    stuck.release();
    EXPECT_TRUE(client_.finished(job).success);
    EXPECT_THAT(calls(), ElementsAre("sync u-a", "sync u-a secret"));
}

TEST_F(ScriptedApply, WithoutAPassphraseOneVolumeIsDealtWithAlone) {
    start();
    std::vector<std::string> done;
    EXPECT_EQ(apply({{"volume", sdbus::Variant("u-b")}}, &done).error, "NoUsableKey");
    EXPECT_THAT(calls(), ElementsAre("sync u-b"));
    EXPECT_THAT(done, ElementsAre("u-b fail"));
}

TEST_F(ScriptedApply, AnotherFailureIsNoneOfThePassphrases) {
    daemon_.script("sync", "error SlotInUse no");
    start();
    EXPECT_EQ(apply(with("u-a", memoryFile("it"))).error, "SlotInUse");
    EXPECT_THAT(calls(), ElementsAre("sync u-a"));
}

TEST_F(ScriptedApply, AServerThatDoesNotAnswerIsNotWaitedFor) {
    daemon_.script("sync", R"(case "$*" in *--secret-fd*) result ;;
        *) error KmsUnreachable "no" ;; esac)");
    start();
    EXPECT_TRUE(apply(with("u-a", memoryFile("it"))).success);
}

TEST_F(ScriptedApply, OptionsThatMakeNoSenseAreRefused) {
    start();
    const std::string invalid = "org.freedesktop.DBus.Error.InvalidArgs";
    EXPECT_EQ(apply({{"secret", sdbus::Variant(memoryFile("it"))}}).error, invalid);
    EXPECT_EQ(apply({{"volume", sdbus::Variant("")}}).error, invalid);
    EXPECT_EQ(apply({{"volume", sdbus::Variant(true)}}).error, invalid);
    EXPECT_EQ(apply({{"volume", sdbus::Variant("u-c")}}).error, "NotFound");
    EXPECT_EQ(apply({{"volume", sdbus::Variant("../x")}}).error, "NotFound");
    EXPECT_THAT(calls(), ElementsAre());
    // Nothing of all this stands in the way.
    daemon_.script("sync", "result");
    EXPECT_TRUE(apply({}).success);
    const ProcessResult usage = ctl({"apply", "--secret-file", "-"}, "it");
    EXPECT_EQ(usage.exitCode, 64);
    EXPECT_THAT(usage.err, HasSubstr("volumecryptctl apply ID --secret-file FILE"));
}

TEST_F(ScriptedApply, AVolumeThatCameSinceIsFound) {
    start();
    daemon_.configure("n.yaml", daemon_.userVolume("n", {"0: declared"}));
    EXPECT_TRUE(apply(with("u-n", memoryFile("it"))).success);
    EXPECT_THAT(calls(), ElementsAre("sync u-n", "sync u-n secret"));
}

// What engines warn of, in plan and apply as in status.
class Findings : public ScriptedApply {
  protected:
    void SetUp() override {
        daemon_.configure("a.yaml", daemon_.userVolume("a", {"0: declared"}));
        daemon_.script("inspect", R"(
            echo '{"type":"warning","code":"LastKey","message":"u-a: the TPM alone"}'
            result)");
        daemon_.script("plan",
                       "result '" + found_ + R"(,"notes":["16 MiB are not used"],"steps":[]')");
        daemon_.script("sync", "result '" + found_ + "'");
        start();
    }
    // The first is that of the inspection once more.
    const std::string found_ = R"(,"warnings":[{"code":"LastKey","message":"u-a: the TPM alone"},)"
                               R"({"code":"Io","message":"u-a: a disk fails"}])";
};

TEST_F(Findings, PlanSaysThemAndHasNothingToDo) {
    const ProcessResult plan = ctl({"plan"});
    EXPECT_EQ(plan.exitCode, 0) << plan.err;
    EXPECT_EQ(plan.out,
              "u-a\twarn\t-\tvolume\tu-a: the TPM alone\n"
              "u-a\twarn\t-\tvolume\tu-a: a disk fails\n"
              "u-a\tnote\t-\tvolume\t16 MiB are not used\n");
    const auto json = ctl({"plan", "u-a", "--json"}).out;
    EXPECT_THAT(json, HasSubstr("\"action\": \"warn\""));
    EXPECT_THAT(json, HasSubstr("16 MiB are not used"));
}

TEST_F(Findings, OneVolumesPlanSaysThemToo) {
    std::vector<Options> steps;
    ASSERT_EQ(client_.get(steps, volumePath("u-a"), kVolume, "Plan"), "");
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].at("action").get<std::string>(), "warn");
    EXPECT_EQ(steps[2].at("action").get<std::string>(), "note");
    EXPECT_EQ(steps[2].at("kind").get<std::string>(), "volume");
    EXPECT_FALSE(steps[2].contains("slot"));
}

TEST_F(Findings, ApplySaysThemAndThatNothingWasDone) {
    const ProcessResult applied = ctl({"apply"});
    EXPECT_EQ(applied.exitCode, 0) << applied.err;
    EXPECT_EQ(applied.out, "u-a\twarn\tu-a: the TPM alone\nu-a\twarn\tu-a: a disk fails\n");
    const Finished end = apply({});
    EXPECT_TRUE(end.success);
    EXPECT_EQ(end.message, "nothing to do");
    const auto json = ctl({"apply", "--json"}).out;
    EXPECT_THAT(json, HasSubstr("\"action\":\"warn\""));
    EXPECT_THAT(json, HasSubstr("a disk fails"));
}

TEST_F(Findings, SyncSaysThoseOfItsEngine) {
    const ProcessResult synced = ctl({"sync", "u-a"});
    EXPECT_EQ(synced.exitCode, 0) << synced.err;
    EXPECT_EQ(synced.out, "u-a\twarn\tu-a: the TPM alone\nu-a\twarn\tu-a: a disk fails\n");
}

TEST_F(Findings, AFailureDoesNotHideThem) {
    daemon_.script("sync", "error SlotInUse no");
    const ProcessResult applied = ctl({"apply"});
    EXPECT_EQ(applied.exitCode, 1);
    EXPECT_EQ(applied.out, "u-a\twarn\tu-a: the TPM alone\n");
    EXPECT_THAT(applied.err, Not(HasSubstr("TPM")));
}

}  // namespace
}  // namespace volumecrypt::test
