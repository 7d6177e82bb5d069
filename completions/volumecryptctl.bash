# SPDX-License-Identifier: Apache-2.0
# Bash completion for volumecryptctl: it answers itself what may stand at the cursor, see src/cli/completion.h.

_volumecryptctl() {
  local current=${COMP_WORDS[COMP_CWORD]} word words=() glue=
  # Bash takes words apart at = and :. The value of an option is a word of its own; an address is one word.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ $word == '=' && ${words[-1]-} == --* && ${words[-1]} != *=* ]]; then
      glue=option
    elif [[ $word == [:=] && ${#words[@]} -gt 0 ]]; then
      words[-1]+=$word
      glue=word
    elif [[ $glue == word ]]; then
      words[-1]+=$word
      glue=
    else
      words+=("$word")
      glue=
    fi
  done
  if [[ $current == [:=] ]]; then
    current=
    [[ $glue != option ]] || words+=('')
  fi

  local lines
  mapfile -t lines < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null </dev/null)
  COMPREPLY=()
  case ${lines[0]-} in
    :files)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    :folders)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      ;;
    *)
      # Not compgen -W: that would expand what the service printed.
      for word in "${lines[@]%%$'\t'*}"; do
        [[ -z $word || $word != "$current"* ]] || COMPREPLY+=("$word")
      done
      ;;
  esac
}

complete -F _volumecryptctl volumecryptctl
