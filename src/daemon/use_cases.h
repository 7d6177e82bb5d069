// SPDX-License-Identifier: Apache-2.0
// All that the bus objects may call, in one place.
#pragma once

#include <functional>

#include "daemon/apply.h"
#include "daemon/configuration.h"
#include "daemon/forecast.h"
#include "daemon/job_table.h"
#include "daemon/recovery_keys.h"
#include "daemon/unlocker.h"
#include "daemon/volume_operations.h"
#include "daemon/volume_table.h"

namespace volumecrypt::daemon {

struct UseCases {
    VolumeTable &volumes;
    JobTable &jobs;
    VolumeOperations &operations;
    RecoveryKeys &recoveryKeys;
    Unlocker &unlocker;
    Apply &apply;
    Forecast &forecast;
    Configurator &configurator;
    std::function<bool()> tpmPresent;
};

}  // namespace volumecrypt::daemon
