// SPDX-License-Identifier: Apache-2.0
// Structured log entries for the journal; the only way in which the programs log.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace volumecrypt::base {

enum class Severity { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

// MESSAGE_ID values; the texts for `journalctl -x` are in systemd/volumecrypt.catalog.
namespace message_id {
inline constexpr std::string_view kVolumeFormatted = "6fd0bcb0c53d4be39c2a0a41d0bd5ba1";
inline constexpr std::string_view kVolumeEncrypted = "c41d7c5f0be84a7fa2a16de2f5b93d08";
inline constexpr std::string_view kVolumeUnlocked = "9b8c8f43b6c84ac49d8d6f1e9a0a2e52";
inline constexpr std::string_view kVolumeLocked = "3c1c2dbb15f64b0f8e0c7a0c58d1ff13";
inline constexpr std::string_view kVolumeGrown = "5d0a6c3be1f74f0a9c2f8b1d7e4a60c9";
inline constexpr std::string_view kVolumeKeyChanged = "0f6b7a51c3de4a8f9b25d1c0e83a7f64";
inline constexpr std::string_view kSlotChanged = "e2c5cf1c9b1d4a0b8a3b62f1d27be724";
inline constexpr std::string_view kOperationFailed = "a47e0b0f2f3b47b7935f1b3cb3f7d735";
inline constexpr std::string_view kAuthorization = "51b0a9f8b1d84a3c9a6f37d1d5ce1746";
}  // namespace message_id

// {"VOLUME", "STATE"}: names are upper case, values hold no secret.
using Fields = std::vector<std::pair<std::string_view, std::string>>;

// To the journal socket when there is one, else one line "MESSAGE" to stderr. Never fails.
void log(Severity severity, const std::string &message, const Fields &fields = {});

}  // namespace volumecrypt::base
