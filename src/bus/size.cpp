// SPDX-License-Identifier: Apache-2.0
// Measures a call: a walk over its arguments that gives up at the first which is too much.
#include "bus/size.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <systemd/sd-bus.h>

namespace volumecrypt::bus {
namespace {

// The longest of our paths has an ID of 70 characters, each of which may take three. sd-bus looks
// every prefix of a path up, in a time that grows with the square of its length.
constexpr std::size_t kPathLimit = 512;
constexpr int kOptionsLimit = 16;
constexpr std::size_t kTextLimit = 4096;
// Of the arguments, and once more of the options: AddKey takes the new key and one that opens the
// volume.
constexpr int kDescriptorLimit = 1;

// What is left of a call's share.
class Share {
  public:
    // 1 for one value of a basic type, 0 at the end; negative errno: E2BIG when it is too much,
    // anything else when it cannot be read.
    int basic(sd_bus_message *call, char type) {
        union {
            const char *text;
            std::uint64_t number;
            int descriptor;
        } value{};
        const int got = sd_bus_message_read_basic(call, type, &value);
        if (got <= 0) return got;
        if (type == SD_BUS_TYPE_UNIX_FD && --(inOptions_ ? optionDescriptors_ : descriptors_) < 0)
            return -E2BIG;
        if (type != SD_BUS_TYPE_STRING && type != SD_BUS_TYPE_OBJECT_PATH &&
            type != SD_BUS_TYPE_SIGNATURE)
            return 1;
        const std::size_t length = std::strlen(value.text);
        if (length > text_) return -E2BIG;
        text_ -= length;
        return 1;
    }
    int variant(sd_bus_message *call) {
        char type = 0;
        const char *contents = nullptr;
        int got = sd_bus_message_peek_type(call, &type, &contents);
        if (got < 0) return got;
        // Of a basic type: no value of ours is more.
        if (got == 0 || type != SD_BUS_TYPE_VARIANT || std::strlen(contents) != 1) return -EINVAL;
        got = sd_bus_message_enter_container(call, SD_BUS_TYPE_VARIANT, contents);
        if (got <= 0) return got == 0 ? -EINVAL : got;
        got = basic(call, contents[0]);
        if (got <= 0) return got == 0 ? -EINVAL : got;
        return sd_bus_message_exit_container(call);
    }
    int options(sd_bus_message *call) {
        int got = sd_bus_message_enter_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        if (got <= 0) return got == 0 ? -EINVAL : got;
        inOptions_ = true;
        while ((got = sd_bus_message_enter_container(call, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
            if (--options_ < 0) return -E2BIG;
            if ((got = basic(call, SD_BUS_TYPE_STRING)) <= 0) return got == 0 ? -EINVAL : got;
            if ((got = variant(call)) < 0) return got;
            if ((got = sd_bus_message_exit_container(call)) < 0) return got;
        }
        return got < 0 ? got : sd_bus_message_exit_container(call);
    }
    int argument(sd_bus_message *call) {
        char type = 0;
        const char *contents = nullptr;
        const int got = sd_bus_message_peek_type(call, &type, &contents);
        if (got <= 0) return got;
        int taken = 0;
        if (type == SD_BUS_TYPE_VARIANT)
            taken = variant(call);
        else if (type != SD_BUS_TYPE_ARRAY)
            return std::strchr("ybnqiuxtdsogh", type) == nullptr ? -EINVAL : basic(call, type);
        else
            taken = std::strcmp(contents, "{sv}") == 0 ? options(call) : -EINVAL;
        return taken < 0 ? taken : 1;
    }

  private:
    int options_ = kOptionsLimit;
    std::size_t text_ = kTextLimit;
    int descriptors_ = kDescriptorLimit;
    int optionDescriptors_ = kDescriptorLimit;
    bool inOptions_ = false;  // they are the last argument of every method
};

}  // namespace

CallSize sizeOf(sd_bus_message *call) {
    const char *path = sd_bus_message_get_path(call);
    if (path != nullptr && std::strlen(path) > kPathLimit) return CallSize::TooLarge;
    Share share;
    int got = 0;
    do got = share.argument(call);
    while (got > 0);
    const int rewound = sd_bus_message_rewind(call, 1);
    if (got == -E2BIG) return CallSize::TooLarge;
    return got < 0 || rewound < 0 ? CallSize::Malformed : CallSize::Fits;
}

}  // namespace volumecrypt::bus
