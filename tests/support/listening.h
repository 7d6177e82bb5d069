// SPDX-License-Identifier: Apache-2.0
// Whether somebody listens on a socket: its file is there a moment before.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace volumecrypt::test {

// Of a stream socket in the file system; asked of the kernel, so that the listener notices nothing.
inline bool isListening(const std::string &path) {
    std::ifstream table("/proc/net/unix");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string number, references, protocol, flags, type, state, inode, bound;
        fields >> number >> references >> protocol >> flags >> type >> state >> inode >> bound;
        if (bound == path && flags == "00010000") return true;  // __SO_ACCEPTCON
    }
    return false;
}

}  // namespace volumecrypt::test
