// SPDX-License-Identifier: Apache-2.0
// Tables for the configuration: a text, and exactly the problems that it has.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/loader.h"

namespace volumecrypt::config::test {

// "3:5: MESSAGE", and "warning 3:5: MESSAGE" for warnings.
inline std::vector<std::string> problemLines(const Configuration &configuration) {
    std::vector<std::string> lines;
    for (const Problem &problem : configuration.problems) {
        std::string text = problem.text();
        text.erase(0, std::string("f:").size());
        lines.push_back((problem.level == Level::Warning ? "warning " : "") + text);
    }
    return lines;
}

inline Configuration parseText(const std::string &yaml, Secrets secrets = Secrets::Keep) {
    return parse(yaml, "f", secrets);
}

struct Case {
    const char *name;
    std::string yaml;
    std::vector<std::string> problems;
};

inline std::ostream &operator<<(std::ostream &stream, const Case &testCase) {
    return stream << testCase.name;
}

inline std::string caseName(const testing::TestParamInfo<Case> &info) {
    return info.param.name;
}

// What the daemon and the generator see (Secrets::Drop) is what the engine sees.
inline void expectProblems(const Case &testCase) {
    for (const Secrets secrets : {Secrets::Keep, Secrets::Drop})
        EXPECT_EQ(problemLines(parseText(testCase.yaml, secrets)), testCase.problems)
            << testCase.yaml.substr(0, 1000);
}

// The document that most cases vary.
inline std::string userVolume(const std::string &rest) {
    return "apiVersion: v1alpha1\nkind: UserVolumeConfig\nname: data\n" + rest;
}

inline std::string systemVolume(const std::string &name, const std::string &rest) {
    return "apiVersion: v1alpha1\nkind: VolumeConfig\nname: " + name + "\n" + rest;
}

}  // namespace volumecrypt::config::test
