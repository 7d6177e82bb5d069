# SPDX-License-Identifier: Apache-2.0
"""Calls of the service inside the machine, with the tools that an administrator has: busctl, gdbus."""
import dataclasses
import json

NAME = "org.example.VolumeCrypt"
ROOT = "/org/example/VolumeCrypt"
APPLY = f"busctl call {NAME} {ROOT} {NAME}.Manager Apply a{{sv}} 0"


@dataclasses.dataclass(frozen=True)
class JobResult:
    success: bool
    text: str


def run_job(machine, call, seconds=600):
    """Makes a busctl call that returns a job and waits for the job's Finished signal."""
    # The signal may come before the call's answer was read, so somebody must listen before.
    script = f"""
log=$(mktemp)
gdbus monitor --system --dest {NAME} >"$log" 2>&1 &
monitor=$!
trap 'kill $monitor; rm -f "$log"' EXIT
until grep -q owned "$log" || grep -q 'not have an owner' "$log"; do sleep 0.1; done
job=$({call}) || exit 2
job=$(sed -n 's/^o "\\(.*\\)"$/\\1/p' <<<"$job")
[ -n "$job" ] || {{ echo 'no job was returned'; exit 3; }}
for _ in $(seq {seconds * 5}); do
  line=$(grep -F "$job: {NAME}.Job.Finished" "$log") && break
  sleep 0.2
done
echo "$line"
case $line in *'.Finished (true,'*) exit 0 ;; '') cat "$log"; exit 4 ;; *) exit 1 ;; esac
"""
    outcome = machine.run(script, seconds + 30)
    return JobResult(outcome.ok, outcome.output)


def apply(machine):
    return run_job(machine, APPLY)


def get_property(machine, path, interface, name):
    """A property as busctl's JSON has it."""
    text = machine.output(f"busctl --json=short get-property {NAME} {path} {NAME}.{interface} {name}")
    return json.loads(text)["data"]


def volume_path(machine, volume_id):
    text = machine.output(f"busctl --json=short call {NAME} {ROOT} {NAME}.Manager GetVolume s {volume_id}")
    return json.loads(text)["data"][0]
