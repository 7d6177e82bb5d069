// SPDX-License-Identifier: Apache-2.0
// A table of errors as callers on the bus and people at the command line meet them.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "support/luks_image.h"
#include "test_bus.h"
#include "test_daemon.h"

namespace volumecrypt::test {

class Errors;

struct ErrorRow {
    std::string name;
    std::function<void(Errors &)> prepare;
    std::function<Answer(Errors &)> call;
    std::vector<std::string> command;  // of volumecryptctl
    std::string code;
    ::testing::Matcher<std::string> message;  // all of it; IMAGE and ROOT stand for the paths
    std::string hint = {};
    bool retry = false;
};

inline void PrintTo(const ErrorRow &row, std::ostream *out) {
    *out << row.name;
}

class Errors : public ::testing::Test {
  public:
    static void SetUpTestSuite() { bus_ = std::make_unique<TestBus>(Polkit::Absent); }
    static void TearDownTestSuite() { bus_.reset(); }

    void SetUp() override { image_ = daemon_.makeImage("data"); }

    void declare(const std::vector<std::string> &keys = {"1: secret"}) {
        daemon_.configure("data.yaml", daemon_.userVolume("data", keys));
    }
    void declarePlain(const std::string &device) {
        daemon_.configure("data.yaml",
                          "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n" +
                              (device.empty() ? "" : "volume: {device: " + device + "}\n"));
    }
    void start() {
        daemon_.start();
        client_.listen();
    }
    void cryptsetup(std::vector<std::string> arguments, const std::string &input) const;
    void luksFormat(const std::vector<std::string> &more = {}) const;
    void addForeignKey() const;
    void sync();
    std::uint32_t addKey(const std::string &passphrase);
    void reload() { ASSERT_EQ(client_.call(kRoot, kManager, "Reload", Options()), ""); }
    Answer job(const char *method, const Options &options = {});
    Answer jobConfirmed(const char *method) {
        return job(method, {{"confirm", sdbus::Variant("u-data")}});
    }

    static std::unique_ptr<TestBus> bus_;
    TestDaemon daemon_{Engine::Real};
    Client client_;
    std::string data_ = volumePath("u-data");
    std::string image_;

  protected:
    [[nodiscard]] std::string readable(std::string text) const;
    // The command says the same: text, JSON, exit status.
    void checkCommand(const ErrorRow &row, const std::string &message) const;
    // Whoever looks at the list only must not take it for well.
    static void checkListed();
};

}  // namespace volumecrypt::test
