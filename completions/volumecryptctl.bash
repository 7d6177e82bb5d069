# SPDX-License-Identifier: Apache-2.0
# Bash completion for volumecryptctl: commands, options, volume IDs, key slots and job numbers.

# The first field of each line that volumecryptctl prints; quiet, and never asking anybody.
_volumecryptctl_fields() { # PROGRAM ARGUMENT...
  "$@" --no-ask 2>/dev/null </dev/null | cut -f 1
}

# Jobs that have not ended.
_volumecryptctl_running() { # PROGRAM
  "$1" jobs --no-ask 2>/dev/null </dev/null | awk -F '\t' '$7 == "running" { print $1 }'
}

# Slots whose key is of one of these kinds (an extended regular expression).
_volumecryptctl_slots() { # PROGRAM ID KINDS
  "$1" keys "$2" --no-ask 2>/dev/null </dev/null | awk -F '\t' -v kinds="^($3)$" '$2 ~ kinds { print $1 }'
}

_volumecryptctl_options() { # COMMAND
  case "$1" in
    unlock) echo '--secret-file --passphrase --recovery' ;;
    add-key) echo '--secret-file --recovery --unlock-file' ;;
    sync) echo '--secret-file --verify --adopt' ;;
    apply | grow) echo '--secret-file' ;;
    check) echo '--config-dir --root' ;;
    format) echo '--confirm --force' ;;
    wipe | erase | forget) echo '--confirm' ;;
    '') echo '--version' ;;
  esac
  echo '--help --json --no-wait --ask --no-ask --address'
}

# What may stand at this place behind the command.
_volumecryptctl_positional() { # PROGRAM COMMAND WORD...
  local program=$1 command=$2
  shift 2
  case "$command:$#" in
    cancel:0) _volumecryptctl_running "$program" ;;
    help:0) echo "$_volumecryptctl_commands" ;;
    help:* | list:* | meta:* | reload:* | jobs:* | watch:* | cancel:*) ;;
    remove-key:1) _volumecryptctl_slots "$program" "$1" 'passphrase|recovery' ;;
    rotate-key:1) _volumecryptctl_slots "$program" "$1" 'kms|tpm' ;;
    *:0) _volumecryptctl_fields "$program" list ;;
  esac
}

_volumecryptctl_commands='list status plan keys tpm check meta help jobs watch apply reload sync add-key remove-key
  rotate-key unlock lock grow format wipe erase forget cancel'

_volumecryptctl() {
  local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
  # Bash takes --option=value apart at the sign.
  if [[ $current == '=' ]]; then
    current=
  elif [[ $option == '=' ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi

  local word i command='' positional=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case "$word" in
      --secret-file | --unlock-file | --confirm | --address | --config-dir | --root)
        [[ ${COMP_WORDS[i + 1]} != '=' ]] || ((i++))
        ((i++))
        ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else positional+=("$word"); fi ;;
    esac
  done

  local IFS=$' \t\n' candidates=
  if [[ $command == check && $current != -* && $option != --config-dir && $option != --root ]]; then
    option=--secret-file # its arguments are files too
  fi
  case "$option" in
    --config-dir | --root)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --secret-file | --unlock-file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --address) return ;;
    --confirm) candidates=${positional[0]:-$(_volumecryptctl_fields "${COMP_WORDS[0]}" list)} ;;
    *)
      if [[ $current == -* ]]; then
        candidates=$(_volumecryptctl_options "$command")
      elif [[ -z $command ]]; then
        candidates=$_volumecryptctl_commands
      else
        candidates=$(_volumecryptctl_positional "${COMP_WORDS[0]}" "$command" "${positional[@]}")
      fi
      ;;
  esac
  # Not compgen -W: that would expand what the service printed.
  local words
  read -r -d '' -a words <<<"$candidates"
  COMPREPLY=()
  for word in "${words[@]}"; do
    [[ $word != "$current"* ]] || COMPREPLY+=("$word")
  done
}

complete -F _volumecryptctl volumecryptctl
