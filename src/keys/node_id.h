// SPDX-License-Identifier: Apache-2.0
// `nodeID` keys: the machine's UUID followed by the volume's ID.
#pragma once

#include <string>

#include "keys/key_source.h"

namespace volumecrypt::keys {

// Refuses a UUID in which one character (hyphens count) makes up more than half of it: firmware
// placeholders. InvalidConfig with Talos' text.
base::Status checkUuidEntropy(const std::string &uuid);

// META's override, else /sys/class/dmi/id/product_uuid, lower case. InvalidConfig when it is empty
// or a placeholder; NotFound when the machine has none.
base::Result<std::string> machineUuid(const KeyContext &context);

class NodeIdKeySource : public KeySource {
  public:
    explicit NodeIdKeySource(KeyContext context) : context_(std::move(context)) {}

    base::Result<base::SecretBuffer> obtain(const std::optional<model::TokenView> &token) override;
    base::Result<NewKey> create() override;

  private:
    KeyContext context_;
};

}  // namespace volumecrypt::keys
