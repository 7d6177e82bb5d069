// SPDX-License-Identifier: Apache-2.0
// Who is behind a bus name, and when they leave.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "bus/sdbus.h"

namespace volumecrypt::bus {

// Of a question of ours: its answer did not come, or whoever was asked is gone. While messages with
// many descriptors wait for us, the bus drops answers without a word.
bool isUnanswered(const sdbus::Error &error);

// Asks the bus itself, without waiting for it: a caller cannot say who it is, and a blocking
// question would let a flood of messages pile up meanwhile.
class BusCallers {
  public:
    using Resolved = std::function<void(base::Result<uid_t>)>;
    using Left = std::function<void(const std::string &name)>;

    explicit BusCallers(sdbus::IConnection &bus);

    // Of a connection that was asked about before.
    [[nodiscard]] std::optional<uid_t> known(const std::string &name) const;
    // At once when the name is known already.
    void resolve(const std::string &name, Resolved resolved);
    void onLeft(Left left) { left_.push_back(std::move(left)); }

  private:
    void ask(const std::string &name, std::chrono::microseconds patience);
    void ownerChanged(sdbus::Message &signal);
    void answered(const std::string &name, const CallError &error, uid_t uid);

    std::unique_ptr<sdbus::IProxy> driver_;
    std::map<std::string, uid_t> known_;
    std::map<std::string, std::vector<Resolved>> asked_;
    std::vector<Left> left_;
    sdbus::Slot match_;
};

}  // namespace volumecrypt::bus
