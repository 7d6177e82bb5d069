# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripted engine of the bus suite: does what $SCRIPTS/VERB says, which is shell.
# shellcheck shell=sh
verb=$1
volume=$2
echo "$*" >>"$SCRIPTS/calls"

# result [MEMBERS]: the last line of a success; MEMBERS begins with a comma.
result() {
  printf '{"type":"result","verb":"%s","volume":"%s","state":"locked","changed":false,"device":"/fake","uuid":"fake-uuid"%s}\n' \
    "$verb" "$volume" "$1"
}

# error CODE MESSAGE: the last line of a failure.
error() {
  printf '{"type":"error","verb":"%s","volume":"%s","code":"%s","message":"%s","hint":"try the other","retry":false,"slot":null}\n' \
    "$verb" "$volume" "$1" "$2"
  exit 1
}

# Until it is told to stop, as an engine does at a safe point; or until the test is over, since engines
# outlive the daemon.
hang() {
  trap 'error Cancelled "stopped at a safe point"' TERM
  while [ -d "$SCRIPTS" ]; do sleep 0.05; done
}

if [ -e "$SCRIPTS/$verb" ]; then
  # shellcheck source=/dev/null
  . "$SCRIPTS/$verb"
else
  error Unsupported "the script says nothing about $verb"
fi
