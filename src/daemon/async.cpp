// SPDX-License-Identifier: Apache-2.0
// Runs a list of steps that keeps itself alive until the last one has answered.
#include "daemon/async.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace volumecrypt::daemon {
namespace {

struct Sequence : std::enable_shared_from_this<Sequence> {
    std::vector<AsyncStep> steps;
    Done done;
    std::size_t position = 0;

    void next(base::Status status) {
        if (!status || position == steps.size()) return done(std::move(status));
        steps[position++](
            [self = shared_from_this()](base::Status result) { self->next(std::move(result)); });
    }
};

}  // namespace

void runInOrder(std::vector<AsyncStep> steps, Done done) {
    const auto sequence = std::make_shared<Sequence>();
    sequence->steps = std::move(steps);
    sequence->done = std::move(done);
    sequence->next({});
}

}  // namespace volumecrypt::daemon
