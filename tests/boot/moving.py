# SPDX-License-Identifier: Apache-2.0
"""What volumecrypt-migrate(7) says, for scenarios: coming here, and leaving again."""
import json

from manual import at_terminal, blocks, follow

PAGE = "volumecrypt-migrate.7"
DEVICE, WHERE = "/dev/disk/by-partlabel/u-data", "/var/mnt/data"
KEPT = f"{WHERE}/kept"


def header(machine, device=DEVICE):
    return json.loads(machine.output(f"cryptsetup luksDump --dump-json-metadata {device}"))


def slots(machine, device=DEVICE):
    return sorted(int(slot) for slot in header(machine, device)["keyslots"])


def tokens(machine):
    return {int(number): token["type"] for number, token in header(machine)["tokens"].items()}


def check_there(check, machine, name, mapping):
    """The volume is mounted through this mapping, with what was stored."""
    source = machine.run(f"findmnt -no SOURCE {WHERE}").output.strip()
    check.equal(f"{name}: mounted", source, f"/dev/mapper/{mapping}")
    check.equal(f"{name}: with what was stored", machine.run(f"cat {KEPT}").output, "precious")


def open_by_crypttab(machine, passphrase):
    """Two lines of the page are those of a volume that systemd opens, by a passphrase."""
    crypttab, fstab = blocks(PAGE, "From crypttab")[0].splitlines()
    machine.output(f"echo '{crypttab}' >>/etc/crypttab; echo '{fstab}' >>/etc/fstab; systemctl daemon-reload")
    return at_terminal(machine, f"mkdir -p {WHERE} && systemctl start systemd-cryptsetup@data.service && mount {WHERE}",
                       [("passphrase for disk", passphrase)])


def back_to_crypttab(check, machine, left):
    """`left`: the slots that are still there then."""
    check.section("Back to crypttab")
    follow(check, machine, PAGE, "Back to crypttab")
    check_there(check, machine, "back to crypttab", "data")
    check.equal("the keys that systemd cannot use are gone", slots(machine), left)
    check.fact("and so is the record", "volumecrypt" not in tokens(machine).values(), lambda: tokens(machine))
    listed = machine.output("volumecryptctl list")
    check.fact("it is no volume of ours any more", "u-data" not in listed, listed)


def to_nothing(check, machine):
    """Then nothing of the product is there."""
    check.section("To nothing")
    follow(check, machine, PAGE, "To nothing", only=[0])
    machine.output("apt-get -q purge -y 'volumecrypt*'", 300)
    follow(check, machine, PAGE, "To nothing", only=[1])
    check_there(check, machine, "to nothing", "data")
    found = machine.run("ls -d /etc/volumecrypt /var/lib/volumecrypt /usr/bin/volumecrypt* /usr/libexec/volumecrypt/*"
                        " 2>/dev/null").output
    check.equal("nothing is left", found, "")


def check_booted_by_crypttab(check, machine):
    """The next boot has the volume by systemd's own means."""
    state = machine.wait_booted()
    check.fact("the system is running", state == "running",
               lambda: machine.run("systemctl --failed; journalctl -b -p warning --no-pager | tail -40").output)
    check_there(check, machine, "the boot after it", "data")
    check.fact("by systemd-cryptsetup", machine.run("systemctl is-active systemd-cryptsetup@data.service").ok)
