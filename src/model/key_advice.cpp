// SPDX-License-Identifier: Apache-2.0
// Hints by kind of key.
#include "model/key_advice.h"

namespace volumecrypt::model {

std::string howToChange(KeyKind kind) {
    if (kind == KeyKind::NodeId)
        return "It follows from this machine's UUID and the volume's ID: declare a key of another "
               "kind, then run `volumecryptctl apply`.";
    return "Change the passphrase where it is declared, then run `volumecryptctl apply`.";
}

}  // namespace volumecrypt::model
