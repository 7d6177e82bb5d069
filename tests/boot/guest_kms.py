# SPDX-License-Identifier: Apache-2.0
"""A KMS inside the machine: in a network namespace of its own, behind a pair of virtual interfaces; and
the one that an administrator has from the package, by its unit."""
import subprocess

ADDRESS = "10.77.0.2:4050"
OFF = "/etc/kms-off"
NETWORK_UNIT = """\
[Unit]
Description=The other machine's network
DefaultDependencies=no
After=systemd-sysctl.service
Before=network-online.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/vmtest/kms-network
"""
NETWORK_SCRIPT = """\
#!/bin/sh -e
ip netns add kms
ip link add veth0 type veth peer name veth1 netns kms
ip address add 10.77.0.1/24 dev veth0
ip link set veth0 up
ip -n kms address add 10.77.0.2/24 dev veth1
ip -n kms link set lo up
ip -n kms link set veth1 up
"""
# With DefaultDependencies= it would come after local-fs.target, which is all that it needs.
SERVER_UNIT = f"""\
[Unit]
Description=The other machine's KMS
After=vmtest-kms-network.service
Requires=vmtest-kms-network.service
Before=network-online.target
ConditionPathExists=!{OFF}

[Service]
Type=notify
NetworkNamespacePath=/run/netns/kms
ExecStart=/usr/bin/volumecrypt-kms-server --plaintext --listen {ADDRESS} --key-file /etc/kms.key
"""


def install(machine):
    """While the machine is off. The server runs from the next boot on, unless OFF is there."""
    machine.inject("/etc/systemd/system/vmtest-kms-network.service", NETWORK_UNIT)
    machine.inject("/etc/systemd/system/vmtest-kms.service", SERVER_UNIT)
    machine.inject("/usr/lib/vmtest/kms-network", NETWORK_SCRIPT, mode=0o755)
    machine.inject("/etc/kms.key", "k" * 32, mode=0o600)
    wants = "[Unit]\nWants=vmtest-kms.service vmtest-kms-network.service\n"
    machine.inject("/etc/systemd/system/network-online.target.d/vmtest.conf", wants)


UNIT = "volumecrypt-kms-server.service"
UNIT_ADDRESS = "127.0.0.1:4050"
UNIT_CA = "/etc/volumecrypt/kms-ca.pem"
UNIT_FOLDER = "/etc/volumecrypt-kms"


def set_up_unit(machine, node):
    """What volumecrypt-kms-server(8) asks for, with a certificate that is its own authority."""
    certificate, key = machine.folder / "kms.crt", machine.folder / "kms.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                    "-days", "2", "-subj", "/CN=kms", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    machine.write(f"{UNIT_FOLDER}/tls.crt", certificate.read_bytes())
    machine.write(UNIT_CA, certificate.read_bytes())
    machine.write(f"{UNIT_FOLDER}/tls.key", key.read_bytes(), mode="0600")
    machine.write(f"{UNIT_FOLDER}/keys/{node}.key", "u" * 32, mode="0600")
    machine.write(f"{UNIT_FOLDER}/options", f"OPTIONS=--listen {UNIT_ADDRESS}\n")
    machine.output(f"chmod 0700 {UNIT_FOLDER}/keys")


def unit_status(machine):
    """/proc/PID/status of the unit's process."""
    text = machine.output(f"cat /proc/$(systemctl show --value -p MainPID {UNIT})/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
