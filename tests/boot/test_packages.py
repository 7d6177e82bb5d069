#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The life of the packages on a machine: what the README says to install and to write, a reboot, an upgrade while the
volume is in use, removal, purge, and back again (TAP)."""
import re
import sys

import checks
import readme
from disk import Disk
from image import DEFAULT_SUITE, system_image
from repack import next_version
from thin_path import check_running
from vm import Machine

UUID = "3d6a92e8-71c4-4b0f-9e5d-28f7c10ab364"
CONFIG, WHERE, MAPPING = "/etc/volumecrypt/volumes.yaml", "/var/mnt/data", "/dev/mapper/luks2-u-data"
DEVICE, KEPT = "/dev/disk/by-partlabel/u-data", f"{WHERE}/kept"
FOLDER, NEXT = "/root/packages", "/root/next"
NAMES = ["volumecrypt", "volumecrypt-kms", "volumecrypt-kms-server"]
# What could have changed on a machine: units, processes of users, mappings, mounts.
SEEN = ("systemctl list-units --all --plain --no-legend --state=active,failed,activating | awk '{print $1}'"
        " | grep -vE '^(systemd-udevd|systemd-hostnamed|init.scope|session|user|run-|dev-|sys-|apt|dpkg)' | sort;"
        " dmsetup ls; findmnt -rno TARGET | sort; ls -A /run/volumecrypt 2>&1; find /etc/volumecrypt -type f 2>/dev/null; true")


class Life:
    def __init__(self, check, system):
        self.check, self.system = check, system
        self.machine = Machine(system, UUID)
        self.disk = Disk(self.machine.folder / "data.img", {"u-data": 200})
        self.machine.attach(self.disk)
        for deb in system.debs:
            self.machine.inject(f"{FOLDER}/{deb.name}", deb.read_bytes())
            newer = next_version(deb, self.machine.folder)
            self.machine.inject(f"{NEXT}/{newer.name}", newer.read_bytes())

    def does(self, command, seconds=300):
        outcome = self.machine.run(command, seconds)
        self.check.fact(f"`{command}`", outcome.ok, f"exit {outcome.code}\n{outcome.output}")
        return outcome.output

    def apt(self, arguments):
        # The mirrors are not asked: all that the packages need is in the image.
        return self.does(f"cd {FOLDER} && apt-get -q -y {arguments}")

    def version(self):
        return self.machine.output("dpkg-query -W -f '${Version}' volumecrypt")

    def uuid(self):
        return self.machine.output(f"cryptsetup luksUUID {DEVICE}")

    def mounted(self):
        """The boot does not wait for a volume that nothing needs."""
        self.machine.wait_until(f"mountpoint -q {WHERE}")

    def check_open(self, name):
        self.mounted()
        source = self.machine.run(f"findmnt -no SOURCE {WHERE}").output.strip()
        self.check.equal(f"{name}: the volume is mounted", source, MAPPING)
        self.check.equal(f"{name}: with what was stored", self.machine.run(f"cat {KEPT}").output, "precious")


def install(life):
    life.check.section(f"Debian {life.system.suite}: install")
    life.machine.boot()
    check_running(life.check, life.machine, "before")
    before = life.machine.output(SEEN)
    [command] = readme.commands(readme.blocks("Install")[0])
    life.does(command.replace("apt install", f"cd {FOLDER} && apt-get -q -y install"))
    life.apt(f"install {' '.join(f'./{name}_*.deb' for name in NAMES)}")
    after = life.machine.output(SEEN)
    life.check.equal("without configuration nothing changed: units, mappings, mounts", after, before)
    life.check.fact("the disk is as it was", life.disk.is_blank("u-data"))
    failed = life.machine.output("systemctl --failed --no-legend")
    life.check.equal("no unit failed", failed, "")


def configure(life):
    life.check.section("One file, one reboot")
    document = next(block for block in readme.blocks("A first configuration") if "kind:" in block)
    life.machine.write(CONFIG, document, mode="0600")
    life.machine.output(f"chmod 0700 {FOLDER}")
    life.machine.power_off()
    life.machine.boot()
    check_running(life.check, life.machine, "after the reboot")
    life.mounted()
    life.machine.output(f"printf precious >{KEPT} && sync {KEPT}")
    life.check_open("after the reboot")
    kind = life.machine.run("dmsetup table luks2-u-data").output.split()
    life.check.equal("it is encrypted", kind[2:3], ["crypt"])
    return life.uuid()


def upgrade(life):
    life.check.section("Upgrade, with the volume in use")
    life.machine.start(f"exec sleep 3000 <{KEPT}", 3000)
    life.machine.output("volumecryptctl status u-data")
    ask = "systemctl show --value -p MainPID volumecrypt.service"
    unit = "systemctl show -p ActiveEnterTimestampMonotonic -p ActiveState volumecrypt@u-data.service var-mnt-data.mount"
    service, since, version = life.machine.output(ask), life.machine.output(unit), life.version()
    life.apt(f"install {' '.join(f'{NEXT}/{name}_*.deb' for name in NAMES)}")
    life.check.fact("the packages are the newer ones", life.version() != version and life.version().startswith(version))
    life.check.fact("the process that uses it goes on", life.machine.run("pgrep -x sleep").ok)
    life.check_open("after the upgrade")
    life.check.equal("nobody closed it for a moment", life.machine.output(unit), since)
    life.machine.output("volumecryptctl status u-data")
    life.check.fact("the service is a new one", life.machine.output(ask) not in {service, "0"})
    life.machine.run("pkill -x sleep")


def remove(life):
    life.check.section("Remove")
    said = life.apt(f"remove {' '.join(NAMES)}")
    life.check.fact("apt says that the volume stays open", re.search(r"stay open.*\n.*luks2-u-data", said), said)
    life.check_open("after the removal")
    life.check.fact("nothing of it runs", not life.machine.run("pgrep -f libexec/volumecrypt").ok)
    life.machine.output("systemctl daemon-reload")
    life.check_open("after a daemon-reload")
    life.check.fact("the configuration is there", life.machine.run(f"test -s {CONFIG}").ok)
    life.check.equal("no unit failed", life.machine.output("systemctl --failed --no-legend"), "")


def purge(life, uuid):
    life.check.section("Purge")
    pins = life.machine.output("find /var/lib/volumecrypt /etc/volumecrypt -type f -exec sha256sum {} + | sort")
    life.apt(f"purge {' '.join(NAMES)}")
    life.check_open("after the purge")
    life.check.equal("header kept", life.uuid(), uuid)
    life.check.equal("what is known of the volumes and the configuration are kept",
                     life.machine.output("find /var/lib/volumecrypt /etc/volumecrypt -type f -exec sha256sum {} + | sort"),
                     pins)
    life.machine.power_off()
    console = life.machine.console()
    life.check.fact("the machine goes down cleanly with it", "Failed unmounting" not in console, console[-2000:])


def again(life, uuid):
    life.check.section("Installed again")
    life.machine.boot()
    check_running(life.check, life.machine, "without the packages")
    life.check.fact("nothing opens the volume", not life.machine.run(f"test -e {MAPPING}").ok)
    life.apt(f"install {' '.join(f'./{name}_*.deb' for name in NAMES)}")
    life.machine.power_off()
    life.machine.boot()
    check_running(life.check, life.machine, "with them")
    life.check_open("with them")
    life.check.equal("the same LUKS UUID", life.uuid(), uuid)
    life.machine.power_off()
    life.machine.destroy()


def scenario(check, system):
    life = Life(check, system)
    install(life)
    uuid = configure(life)
    upgrade(life)
    remove(life)
    purge(life, uuid)
    again(life, uuid)


if __name__ == "__main__":
    checks.main(scenario, system_image(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else DEFAULT_SUITE, installed=False))
