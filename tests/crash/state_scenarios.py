# SPDX-License-Identifier: Apache-2.0
"""STATE, META and the salt, interrupted: META says the old or the new, never nothing; there is one salt."""
import re

from place import Lost
from scenarios import Scenario, converge, no_orphans

META_SIZE = 1 << 20
STATE = """\
apiVersion: v1alpha1
kind: VolumeConfig
name: STATE
volume: {{device: {image}, meta: {meta}}}
filesystem: {{type: ext4}}
"""
LOCKED = """\
apiVersion: v1alpha1
kind: VolumeConfig
name: STATE
encryption: {{keys: [{{slot: 0, nodeID: {{}}}}]}}
---
apiVersion: v1alpha1
kind: UserVolumeConfig
name: data
volume: {{device: {image}}}
filesystem: {{type: ext4}}
encryption: {{keys: [{{slot: 0, static: {{passphrase: locked}}, lockToState: {locked}}}, {{slot: 1, static: {{passphrase: one}}}}]}}
"""


def write_config(place, text):
    path = place.config / "volumes.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


class Meta(Scenario):
    """A key of STATE changes, and META with it."""

    def __init__(self):
        super().__init__("META follows STATE", ("sync",))

    def declare(self, place, keys):
        """keys=None: whatever META says."""
        text = STATE.format(image=place.image, meta=place.folder / "meta")
        if keys is not None:
            listed = ", ".join(f"{{slot: {slot}, static: {{passphrase: {key}}}}}" for slot, key in keys.items())
            text += f"encryption: {{keys: [{listed}]}}\n"
        write_config(place, text)

    def prepare(self, place):
        place.clear()
        with open(place.folder / "meta", "wb") as meta:
            meta.truncate(META_SIZE)
        self.declare(place, {0: "base", 1: "one"})
        place.luks_format(0, "base")
        place.must("sync", volume="STATE")

    def run(self, place, environment=None):
        self.declare(place, {0: "base", 1: "two"})
        return place.engine(*self.verb, volume="STATE", environment=environment)

    def by_meta(self, place):
        """What the engine makes of STATE without a word of the configuration."""
        self.declare(place, None)
        status, last = place.engine("plan", volume="STATE")
        if status not in (0, 2) or last.get("state") == "plain":
            raise Lost(f"by META alone STATE does not open: {status} {last}")
        return status

    def judge(self, place):
        if not place.opens("base", 0):
            raise Lost("the untouched key does not open STATE")
        self.by_meta(place)
        self.declare(place, {0: "base", 1: "two"})
        place.must("sync", volume="STATE")
        if place.must("sync", volume="STATE")["changed"]:
            raise Lost("sync does not come to an end")
        no_orphans(place, {0, 1})
        if not place.opens("two", 1):
            raise Lost("the declared key does not open its slot")
        if self.by_meta(place) != 0:
            raise Lost("META does not say what is declared")


class WipeState(Meta):
    """STATE is given up, and META's word of it."""

    def __init__(self):
        super().__init__()
        self.name, self.verb = "wipe STATE and META", ("wipe", "--confirm", "STATE")

    def run(self, place, environment=None):
        self.declare(place, {0: "base", 1: "one"})
        return place.engine(*self.verb, volume="STATE", environment=environment)

    def judge(self, place):
        self.declare(place, {0: "base", 1: "one"})
        place.must(*self.verb, volume="STATE")
        self.declare(place, None)
        state = place.must("inspect", volume="STATE")["state"]
        if state not in ("blank", "plain"):
            raise Lost(f"after the wipe STATE is {state}")
        self.declare(place, {0: "base", 1: "one"})
        place.must("format", volume="STATE")
        if not place.opens("one", 1):
            raise Lost("STATE is not formatted anew")


class Salt(Scenario):
    """The first key that is locked to STATE makes the salt."""

    def __init__(self, name, verb):
        super().__init__(name, verb)

    def declare(self, place, locked):
        write_config(place, LOCKED.format(image=place.image, locked="true" if locked else "false"))

    def prepare(self, place):
        place.clear()
        (place.root / "system/state").mkdir(parents=True)
        if self.verb[0] == "sync":
            place.luks_format(1, "one")
            self.declare(place, False)
            place.must("sync")

    def run(self, place, environment=None):
        self.declare(place, True)
        return super().run(place, environment)

    def salt(self, place):
        file = place.root / "system/state/encryption-salt.yaml"
        numbers = [int(number) for number in re.findall(r"\d+", file.read_text(encoding="ascii"))]
        if len(numbers) != 32:
            raise Lost(f"the salt has {len(numbers)} bytes")
        return bytes(numbers).decode("latin-1")

    def judge(self, place):
        if self.verb[0] == "sync" and not place.opens("one", 1):
            raise Lost("the untouched key does not open the volume")
        file = place.root / "system/state/encryption-salt.yaml"
        before = self.salt(place) if file.exists() else None
        status, _ = place.engine("sync")
        if status != 0:
            place.must(*self.verb)
        converge(place, None)
        no_orphans(place, {0, 1})
        salt = self.salt(place)
        if before not in (None, salt):
            raise Lost("the salt was made a second time")
        if not place.opens("locked" + salt, 0) or not place.opens("one", 1):
            raise Lost("a declared key does not open its slot")
        left = sorted(path.name for path in (place.root / "system/state").iterdir())
        if left not in (["encryption-salt.yaml"], ["encryption-salt.yaml", "volumecrypt"]):
            raise Lost(f"in STATE there is {left}")


def state_scenarios():
    return [Meta(), WipeState(), Salt("format makes the salt", ("format",)), Salt("a key is locked to STATE", ("sync",))]
