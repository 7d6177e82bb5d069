// SPDX-License-Identifier: Apache-2.0
// Makes the content link: a symbolic link below /run, replaced as a whole.
#include <cerrno>
#include <filesystem>
#include <string>

#include <stdio.h>
#include <unistd.h>

#include "base/files.h"
#include "model/names.h"
#include "volume/device_state.h"

namespace volumecrypt::volume {

base::Status linkContent(const Session &session) {
    const std::string link = session.options().paths.contentLink(session.id());
    const std::string target =
        session.spec().encryption ? model::mappingPath(session.id()) : session.device().node;
    VC_TRY(base::makeDirectories(std::filesystem::path(link).parent_path().string()));
    const std::string temporary = link + ".new";
    (void)::unlink(temporary.c_str());
    if (::symlink(target.c_str(), temporary.c_str()) < 0 ||
        ::rename(temporary.c_str(), link.c_str()) < 0)
        return base::fail(base::errnoError("make the link " + link, errno));
    return {};
}

}  // namespace volumecrypt::volume
