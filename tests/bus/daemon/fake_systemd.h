// SPDX-License-Identifier: Apache-2.0
// org.freedesktop.systemd1 on the test's bus, as far as the daemon asks it: its units are those of
// the real generator, its attach and sync units run the daemon's engine, its mounts are lines of a
// file, and transient units are run to their end before anything else is.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "served_object.h"

namespace volumecrypt::test {

class FakeSystemd {
  public:
    // `folder`: of the TestDaemon.
    explicit FakeSystemd(std::string folder);
    ~FakeSystemd();
    FakeSystemd(const FakeSystemd &) = delete;
    FakeSystemd &operator=(const FakeSystemd &) = delete;
    FakeSystemd(FakeSystemd &&) = delete;
    FakeSystemd &operator=(FakeSystemd &&) = delete;

    // What systemd does at boot, without a call: the generator, and a unit that mounts.
    void generate() const;
    void mount(const std::string &unit);
    void activate(const std::string &attachUnit);
    // By somebody else.
    void mountOther(const std::string &where, const std::string &source,
                    const std::string &number = "8:7");
    // From now on this call's job fails: "start UNIT" and so on.
    void fail(const std::string &call);

    // "start UNIT", "stop UNIT", "reload UNIT", "reset UNIT" and "reload", in their order, of all
    // but transient units.
    [[nodiscard]] std::vector<std::string> calls() const;
    void forgetCalls();
    // The options of the mount there; empty when there is none.
    [[nodiscard]] std::string mountedWith(const std::string &where) const;

  private:
    struct Mount {
        std::string number;
        std::string type;
        std::string source;
        std::string options;
    };
    using Property = sdbus::Struct<std::string, sdbus::Variant>;
    using Properties = std::vector<Property>;
    using PathResult = sdbus::Result<sdbus::ObjectPath>;

    void registerMethods();
    void change(PathResult &&result, const char *verb, const std::string &unit);
    void runTransient(PathResult &&result, const std::string &unit, const Properties &properties);
    // The result of a job.
    std::string start(const std::string &unit);
    std::string stop(const std::string &unit);
    std::string remount(const std::string &unit);
    std::string runEngine(const std::string &verb, const std::string &id) const;
    void writeMounts() const;
    [[nodiscard]] std::string generated(const std::string &name) const;
    [[nodiscard]] std::map<std::string, std::string> readUnit(const std::string &unit) const;
    void note(const std::string &call);

    std::string folder_;
    mutable std::mutex mutex_;
    std::vector<std::string> calls_;
    std::map<std::string, Mount> mounts_;  // by where
    std::set<std::string> active_;
    std::set<std::string> failing_;
    std::uint32_t jobs_ = 0;
    std::unique_ptr<sdbus::IConnection> connection_;
    ServedObject object_;
};

}  // namespace volumecrypt::test
