#compdef volumecryptctl
# SPDX-License-Identifier: Apache-2.0
# Zsh completion for volumecryptctl: it answers itself what may stand at the cursor, see src/cli/completion.h.

local line
local -a given lines offers
given=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
lines=("${(@f)$("${(Q)words[1]}" __complete "${given[@]}" 2>/dev/null </dev/null)}")
[[ $PREFIX != --*=* ]] || compset -P '*='

case $lines[1] in
  :files) _files ;;
  :folders) _files -/ ;;
  *)
    for line in "${lines[@]}"; do
      [[ -z $line ]] || offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe 'volumecryptctl' offers
    ;;
esac
