# SPDX-License-Identifier: Apache-2.0
# Fish completion for volumecryptctl: it answers itself what may stand at the cursor, see src/cli/completion.h.

function __volumecryptctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # What stands before a value, which the answers come without.
    set -l option (string match -r -- '^--[a-z-]+=' $current)
    set -l value (string replace -r -- '^--[a-z-]+=' '' $current)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program __complete $words "$current" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case ':files'
            set lines (__fish_complete_path "$value")
        case ':folders'
            set lines (__fish_complete_directories "$value" '')
    end
    for line in $lines
        printf '%s\n' "$option$line"
    end
end

complete -c volumecryptctl -f -a '(__volumecryptctl_complete)'
