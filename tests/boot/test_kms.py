#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A volume whose only key is with a KMS: formatted and opened at boot behind the network; without the
server the boot goes on, and the volume opens by itself when the server is back; and the server by its
own unit (TAP)."""
import sys

import checks
import guest_kms
from applying import rest
from bus import apply
from disk import Disk
from image import system_image
from vm import Machine

UUID = "9e3b51d7-0c84-4f2a-a6d9-3718e5f0b2c4"
WHERE, MOUNT, ATTACH = "/var/mnt/data", "var-mnt-data.mount", "volumecrypt@u-data.service"
DEVICE = "/dev/disk/by-partlabel/u-data"
CONFIG = f"""\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
filesystem: {{type: ext4}}
mount: {{required: true}}
encryption:
  keys:
    - {{slot: 0, kms: {{endpoint: "grpc://{guest_kms.ADDRESS}"}}}}
"""


def activated(machine, unit):
    """Microseconds from the boot to the unit's activation; 0 when it is not active."""
    return int(machine.output(f"systemctl show --value -p ActiveEnterTimestampMonotonic {unit}") or 0)


def check_order(check, machine, name):
    mount, remote = activated(machine, MOUNT), activated(machine, "remote-fs.target")
    online = activated(machine, "network-online.target")
    check.fact(f"{name}: mounted after network-online.target, before remote-fs.target", 0 < online < mount < remote,
               lambda: f"{online} {mount} {remote}\n" + machine.run(f"systemctl status {ATTACH} {MOUNT}").output)
    local = activated(machine, "local-fs.target")
    check.fact(f"{name}: local-fs.target did not wait for it", 0 < local < mount, f"{local} {mount}")
    found = machine.run("journalctl -b --no-pager | grep -i 'ordering cycle'").output
    check.fact(f"{name}: systemd found no ordering cycle", not found, found)
    verified = machine.run(f"systemd-analyze verify --man=no --generators=yes remote-fs.target {ATTACH}")
    check.fact(f"{name}: systemd-analyze verify has no complaint", not verified.output,
               verified.output)


def with_server(check, machine):
    check.section("With the server: first boot")
    machine.boot()
    state = machine.wait_booted()
    check.fact("the system is running", state == "running", lambda: f"{state}\n" + machine.run(
        "systemctl --failed; journalctl -b --no-pager | tail -80").output)
    check.fact("u-data was formatted and mounted", machine.run(f"mountpoint -q {WHERE}").ok,
               lambda: machine.run(f"journalctl -b --no-pager -u {ATTACH}").output)
    check_order(check, machine, "first boot")
    token = machine.run(f"cryptsetup token export --token-id 0 {DEVICE}").output
    check.fact("its header has the sealed key of slot 0", "sideroKMS" in token and guest_kms.ADDRESS in token, token)
    machine.write(f"{WHERE}/kept", "kept")
    log = machine.journal("-u vmtest-kms.service")
    check.fact("the server's log names the machine", f"seal for node {UUID}" in log, log)
    plain = machine.journal(f"-u {ATTACH}")
    check.fact("the journal warns of the endpoint without TLS", "is not encrypted" in plain, plain)
    helper_is_nobody(check, machine)
    guest_kms.set_up_unit(machine, UUID)
    machine.output(f"systemctl enable {guest_kms.UNIT}")
    machine.power_off()


def helper_is_nobody(check, machine):
    """volumecrypt-kms in the unit of the engine, while the server lets it wait."""
    sync = "volumecrypt-sync@u-data.service"
    status = "/proc/$(pgrep -of '^/usr/libexec/volumecrypt/volumecrypt-kms$')/status"
    machine.output(f"systemctl kill -s STOP vmtest-kms.service; systemctl restart --no-block {sync}")
    seen = machine.wait_until(f"grep '^Uid:.*[1-9]' {status} && cat {status}")
    machine.output("systemctl kill -s CONT vmtest-kms.service")
    shown = dict(line.split(":\t", 1) for line in seen.output.splitlines() if ":\t" in line)
    check.equal("volumecrypt-kms is nobody: user, group", [set(shown.get(name, "").split()) for name in ("Uid", "Gid")],
                [{"65529"}, {"65529"}])
    check.equal("it has no capability, and gets none",
                [shown.get(name) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb", "NoNewPrivs")],
                ["0" * 16] * 4 + ["1"])
    ended = machine.wait_until(f"systemctl is-active {sync}")
    check.fact("its engine is done when the server goes on", ended.ok, lambda: machine.journal(f"-u {sync}"))


def without_server(check, machine):
    check.section("Without the server")
    machine.inject(guest_kms.OFF, "")
    machine.boot()
    machine.wait_booted()
    check.fact("the boot went on to multi-user.target", machine.run("systemctl is-active multi-user.target").ok)
    check.fact("u-data is not mounted", not machine.run(f"mountpoint -q {WHERE}").ok)
    # Not from the unit's properties: the daemon may be trying it again at this moment.
    ended = machine.wait_until(f"journalctl -b --no-pager -u {ATTACH} | grep -q 'code=exited, status=75'")
    check.fact("its attach failed and is worth retrying", ended.ok,
               lambda: machine.run(f"journalctl -b --no-pager -u {ATTACH}").output)
    shown = machine.run("busctl get-property org.example.VolumeCrypt /org/example/VolumeCrypt/volume/u_2ddata "
                        "org.example.VolumeCrypt.Volume LastError").output
    check.fact("the volume's LastError is KmsUnreachable", "KmsUnreachable" in shown, shown)
    check.section("The server comes back")
    machine.output(f"rm {guest_kms.OFF}; systemctl start vmtest-kms.service")
    opened = machine.wait_until(f"mountpoint -q {WHERE}")
    check.fact("the volume opens by itself, and what was on it is there",
               opened.ok and machine.run(f"cat {WHERE}/kept").output == "kept",
               lambda: machine.run("journalctl -b --no-pager | tail -60").output)


def by_its_unit(check, machine):
    check.section("The server's own unit, enabled before this boot")
    unit = guest_kms.UNIT

    def log():
        return machine.journal(f"-u {unit}; systemctl status {unit}")

    check.fact("it was started at boot", machine.run(f"systemctl is-active {unit}").ok, lambda: log())
    status = guest_kms.unit_status(machine)
    users, capabilities = set(status["Uid"].split()), {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}
    check.fact("it runs as nobody in particular", "0" not in users and len(users) == 1, users)
    check.equal("it has no capability", capabilities, {0})
    check.equal("it has a system call filter, and gets no new privileges", (status["Seccomp"], status["NoNewPrivs"]),
                ("2", "1"))
    def shown(name):
        return machine.output(f"systemctl show --value -p {name} {unit}")

    check.equal("its watchdog waits for it, and it has descriptors for all of its connections",
                [shown("WatchdogUSec"), shown("LimitNOFILESoft")], ["30s", "8192"])
    before = int(shown("WatchdogTimestampMonotonic"))
    heard = machine.wait_until(f"test $(systemctl show --value -p WatchdogTimestampMonotonic {unit}) -gt {before}")
    check.fact("it connects to itself, and tells its watchdog", heard.ok, lambda: log())
    rest(machine)
    machine.write("/etc/volumecrypt/volumes.yaml", CONFIG + (
        f'    - {{slot: 1, kms: {{endpoint: "grpcs://{guest_kms.UNIT_ADDRESS}", caFile: {guest_kms.UNIT_CA}}}}}\n'),
        mode="0600")
    result = apply(machine)
    check.fact("a key that it seals is added to the volume", result.success, lambda: f"{result.text}\n{log()}")
    check.fact("its log names the machine", f"seal for node {UUID}" in log(), lambda: log())
    verify = "/usr/libexec/volumecrypt/volumecrypt-engine sync u-data --verify --output json"
    verified = machine.run(verify)
    check.fact("it unseals the key", verified.ok and f"unseal for node {UUID}" in log(),
               lambda: f"{verified.output}\n{log()}")
    machine.output(f"systemctl stop {unit}")
    check.equal("it ends cleanly", machine.output(f"systemctl show --value -p Result {unit}"), "success")
    machine.output(f"rm {guest_kms.UNIT_FOLDER}/keys/{UUID}.key; systemctl start {unit}")
    refused = machine.run(verify)
    check.fact("it refuses a machine that was forgotten", "has no key for the node" in refused.output,
               lambda: f"{refused.output}\n{log()}")
    machine.power_off()


def scenario(check, system):
    machine = Machine(system, UUID)
    machine.attach(Disk(machine.folder / "data.img", {"u-data": 64}))
    machine.inject("/etc/volumecrypt/volumes.yaml", CONFIG, mode=0o600)
    guest_kms.install(machine)
    with_server(check, machine)
    without_server(check, machine)
    by_its_unit(check, machine)
    machine.destroy()


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1]))
