# SPDX-License-Identifier: Apache-2.0
"""A volume that another machine made. That machine is the one under test in a mount namespace, where it has another
UUID, another configuration and another memory."""

VOLUME = "u-moved"
DEVICE, WHERE = f"/dev/disk/by-partlabel/{VOLUME}", "/var/mnt/moved"
UUID = "f2605c8e-91d4-4b37-8ea0-6d13c7b9e254"
PASSPHRASE = "a passphrase of the other machine"
RECOVERY = "rcdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbb"
DOCUMENT = """apiVersion: v1alpha1
kind: UserVolumeConfig
name: moved
filesystem: {type: ext4}
encryption:
  keys:
    - {slot: 0, nodeID: {}}
    - {slot: %s, static: {passphrase: %s}}
"""
# Its memory has to be on the root file system, as its configuration is.
MAKE = f"""set -e
engine=/usr/libexec/volumecrypt/volumecrypt-engine
echo {UUID} >/run/other/uuid
mount --bind /run/other/uuid /sys/class/dmi/id/product_uuid
mount --bind /root/other /etc/volumecrypt
$engine attach {VOLUME}
$engine add-key {VOLUME} --kind recovery --secret-fd 3 3</run/other/recovery
mount /dev/mapper/luks2-{VOLUME} /mnt
printf precious >/mnt/kept
umount /mnt
$engine detach {VOLUME}
"""


def make(machine):
    """The disk as it is when it comes from there: slots 0, 1 and that of the recovery key."""
    machine.write("/root/other/moved.yaml", DOCUMENT % (1, PASSPHRASE), mode="0600")
    machine.write("/run/other/recovery", RECOVERY, mode="0600")
    machine.write("/run/other/make", MAKE)
    # The settling: udev looks at what was closed as well.
    machine.output("unshare --mount bash /run/other/make 2>&1 && rm -r /root/other /run/other && udevadm settle", 300)
