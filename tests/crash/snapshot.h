// SPDX-License-Identifier: Apache-2.0
// A folder as a power cut at some operation would leave it, kept once however many operations lead
// to it.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include <sys/types.h>

namespace volumecrypt::crash {

/// Writes all of it, also where the caller's descriptors ask for whole blocks. False when the file
/// is not there (any more); ends the process on any other trouble.
bool writeInto(const std::string &path, const void *bytes, std::size_t length, off64_t offset);

class Snapshots {
  public:
    /// Of `source`; what lies below `skipped` is copied and makes no difference. Into `folder`,
    /// where `points` gets a line for each call of take: NUMBER MODE KIND LENGTH STATE.
    Snapshots(std::string source, std::string skipped, const std::string &folder);

    /// Where a file of the source is in the copy.
    using Placed = std::function<std::string(const std::string &path)>;
    /// What the cut does to the copy.
    using Change = std::function<void(const Placed &placed)>;

    /// The folder as it is now, then changed. Ends the process when it cannot.
    void take(long number, const char *mode, const std::string &operation, const Change &change);

  private:
    std::uint64_t digestOf(const std::string &copy) const;

    const std::string source_, skipped_, folder_;
    std::ofstream points_;
    std::map<std::uint64_t, std::string> states_;  // digest: name
};

}  // namespace volumecrypt::crash
