# SPDX-License-Identifier: Apache-2.0
"""STATE and META, keys locked to STATE, recovery keys: attach on real dm-crypt."""
import os

from lab import UUID, WORK, Machine, blkid, check, disk, equal, mappings, mounted, opens, run, table

META = WORK / "meta"
RECOVERY = "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc"


def state_document(node, encryption):
    text = (f"apiVersion: v1alpha1\nkind: VolumeConfig\nname: STATE\nvolume: {{device: {node}, meta: {META}}}\n"
            "filesystem: {type: ext4}\n")
    return text + (f"encryption: {encryption}\n" if encryption else "")


def with_secret(machine, secret, verb, volume, *options):
    reader, writer = os.pipe()
    os.write(writer, secret.encode())
    os.close(writer)
    try:
        return machine.engine(verb, volume, *options, "--secret-fd", str(reader), pass_fds=(reader,))
    finally:
        os.close(reader)


def link(machine):
    return os.readlink(machine.root / "run/volumecrypt/content/STATE")


def meta(machine):
    return {tag["tag"]: tag["value"] for tag in machine.engine("inspect", "STATE").last["meta"]}


def state_by_meta(machine):
    """STATE is saved to META, opened by it, and after a wipe it is plain"""
    machine.reset()
    META.write_bytes(bytes(1 << 20))
    with disk(64) as device:
        machine.declare(state_document(device.node, "{keys: [{slot: 0, nodeID: {}}]}"))
        machine.engine("attach", "STATE").succeeded(state="unlocked", changed=True)
        equal(link(machine), "/dev/mapper/luks2-STATE")
        assert "KeyNodeID" in meta(machine)[9], meta(machine)
        machine.engine("detach", "STATE").succeeded()
        machine.declare(state_document(device.node, ""))
        before = META.read_bytes()
        machine.engine("attach", "STATE").succeeded(state="unlocked", changed=True)
        equal(META.read_bytes(), before, "META")
        # Wiped while it is in use: carried out by the next attach, and META forgets it.
        machine.engine("wipe", "STATE", "--confirm", "STATE").succeeded(staged=True)
        machine.engine("detach", "STATE").succeeded()
        machine.engine("attach", "STATE").succeeded(state="plain", changed=True)
        equal(meta(machine), {})
        equal(os.path.realpath(link(machine)), os.path.realpath(device.node))
        equal(blkid(device.node, "TYPE"), "ext4")
        equal(mappings(), [])


def declared_plain(machine):
    """`provider: none` makes STATE plain and says so in META"""
    machine.reset()
    META.write_bytes(bytes(1 << 20))
    with disk(64) as device:
        machine.declare(state_document(device.node, "{provider: none}"))
        machine.engine("attach", "STATE").succeeded(state="plain", changed=True)
        equal(meta(machine), {9: "null"})
        machine.engine("attach", "STATE").succeeded(state="plain", changed=False)


def recovered_after_state_was_replaced(machine):
    """a recovery key opens a locked volume after STATE was replaced, and binds it to the new one"""
    machine.reset()
    (machine.root / "system/state").mkdir(parents=True)
    salt = machine.root / "system/state/encryption-salt.yaml"
    with disk(64) as device:
        machine.declare(state_document("/dev/absent", "{keys: [{nodeID: {}}]}") + f"""---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {device.node}}}
filesystem: {{type: ext4}}
encryption:
  keys:
    - {{slot: 0, nodeID: {{}}, lockToState: true}}
""")
        machine.engine("attach", "u-data").succeeded(state="unlocked", changed=True)
        with mounted("/dev/mapper/luks2-u-data") as where:
            (where / "file").write_text("precious")
        with_secret(machine, RECOVERY, "add-key", "u-data", "--kind", "recovery").succeeded(changed=True)
        machine.engine("detach", "u-data").succeeded()
        assert (machine.root / "system/state/volumecrypt/pins/u-data.json").exists(), "no pin in STATE"
        assert not opens(device.node, UUID + "u-data"), "the key opens the volume without its salt"
        salt.unlink()
        machine.engine("attach", "u-data").failed("SaltUnavailable", text="STATE was replaced")
        with_secret(machine, RECOVERY.upper().replace("-", ""), "attach", "u-data").succeeded(state="unlocked")
        with mounted("/dev/mapper/luks2-u-data") as where:
            equal((where / "file").read_text(), "precious")
        machine.engine("detach", "u-data").succeeded()
        # By the declared key and the new salt.
        machine.engine("attach", "u-data").succeeded(state="unlocked", unlockedBySlot=0)
        machine.engine("detach", "u-data").succeeded()


def raw_volume(machine):
    """a raw volume is a mapping and nothing on it, whose data stays"""
    machine.reset()
    with disk(64) as device:
        machine.declare(f"apiVersion: v1alpha1\nkind: RawVolumeConfig\nname: db\nvolume: {{device: {device.node}}}\n"
                        "encryption: {keys: [{nodeID: {}}], keySize: 256, allowDiscards: true}\n")
        machine.engine("attach", "r-db").succeeded(state="unlocked", changed=True)
        node = "/dev/mapper/luks2-r-db"
        words = table("luks2-r-db")
        assert "allow_discards" in words and (words[4].startswith(":32:") or len(words[4]) == 64), f"{words}"
        run("sh", "-c", f"echo precious >{node}; sync")
        for _ in range(2):
            machine.engine("detach", "r-db").succeeded()
            machine.engine("attach", "r-db").succeeded(changed=True)
            equal(open(node, "rb").read(9), b"precious\n")
        machine.engine("detach", "r-db").succeeded()


def run_all(build):
    machine = Machine(build)
    for group in (state_by_meta, declared_plain, recovered_after_state_was_replaced, raw_volume):
        check(group, machine)
