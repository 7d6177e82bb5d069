// SPDX-License-Identifier: Apache-2.0
// A machine in files, for tests of Plan and Apply: the scripted engine finds each volume in the
// state that $SCRIPTS/state-ID holds, $SCRIPTS/keys-ID is there when its keys are not as declared,
// $SCRIPTS/no-ID when it cannot be opened.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "client.h"
#include "fake_systemd.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {

using Marks = std::set<std::pair<std::string, std::string>>;  // volume, kind of step

class ApplyMachine : public ::testing::Test {
  public:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Absent); }
    static void TearDownTestSuite() { bus_.reset(); }

  protected:
    void SetUp() override;
    // Before SetUp.
    void useSystemd();
    // `more`: of the `volume` mapping, or a line that begins with "mount" or "filesystem", "plain",
    // or "label": it goes by its GPT label.
    void declare(const std::string &name, const std::string &more) const;
    // It has a mapping, by sysfs; the end of its name makes its number.
    void map(const std::string &id) const;
    // "ACTION: REASON" of the steps of a volume.
    std::multiset<std::string> stepsOf(const std::string &id);
    Marks plan();
    Finished apply(Marks &marks, const Options &options = {});
    // "ACTION: TEXT", of the last job.
    [[nodiscard]] std::multiset<std::string> resultsOf(const std::string &id) const;

    static std::unique_ptr<TestBus> bus_;
    std::unique_ptr<FakeSystemd> systemd_;
    TestDaemon daemon_{Engine::Scripted};
    Client client_;

  private:
    using Plans = std::vector<sdbus::Struct<std::string, std::vector<Options>>>;
    using Result = sdbus::Struct<std::string, std::string, std::string>;
    Plans ask();
    std::vector<Result> results_;
};

}  // namespace volumecrypt::test
