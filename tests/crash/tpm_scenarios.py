# SPDX-License-Identifier: Apache-2.0
"""Keys that a TPM seals, interrupted: their tokens must be where their slots are, or in the record."""
from place import Lost
from scenarios import Scenario, adopt, converge, no_orphans
from software_tpm import Swtpm

ONE = {1: "one"}


class Tpm(Scenario):
    """sync from one declaration to another, with the TPM as it was or with a PCR that changed meanwhile."""

    def __init__(self, name, before, after, changed=False):
        super().__init__(name, ("sync",))
        self.before_kinds, self.after_kinds, self.changed = before, after, changed
        self.tpm = None

    def declared(self, kinds):
        """Keys for the YAML: [16] stands for a TPM key bound to PCR 16."""
        return {slot: key if isinstance(key, str) else f'tpm: {{options: {{pcrs: {key}}}, tcti: "{self.tpm.tcti}"}}'
                for slot, key in kinds.items()}

    def prepare(self, place):
        if self.tpm is None:
            self.tpm = Swtpm()
        self.tpm.debug_pcr("a")
        adopt(place, ONE)
        self.tpm.share_lock(place)
        place.declare(self.declared({**self.before_kinds, **ONE}))
        place.must("sync")
        place.declare(self.declared(self.before_kinds))
        place.must("sync")
        if self.changed:
            self.tpm.debug_pcr("b")

    def run(self, place, environment=None):
        place.declare(self.declared(self.after_kinds))
        return super().run(place, environment)

    def judge(self, place):
        for key in (key for slot, key in self.after_kinds.items() if self.before_kinds.get(slot) == key):
            if isinstance(key, str) and not place.opens(key):
                raise Lost(f"the untouched key {key} does not open the volume")
        converge(place, None)
        no_orphans(place, self.after_kinds)
        sealed = sorted(slot for slot, key in self.after_kinds.items() if not isinstance(key, str))
        tokens = [token for token in place.header()["tokens"].values() if token["type"] != "volumecrypt"]
        if sorted(token["keyslots"] for token in tokens) != [[str(slot)] for slot in sealed]:
            raise Lost(f"tokens for {[token['keyslots'] for token in tokens]}, wanted {sealed}")
        last = place.must("sync", "--verify")
        if sealed and last["unlockedBySlot"] != sealed[0]:
            raise Lost(f"the TPM does not open the volume, but slot {last['unlockedBySlot']}")

    def finish(self):
        if self.tpm is not None:
            self.tpm.stop()


def tpm_scenarios():
    return [
        Tpm("tpm: a key comes", ONE, {0: [16], **ONE}),
        Tpm("tpm: a key goes", {0: [16], **ONE}, ONE),
        Tpm("tpm: a key becomes a passphrase", {0: [16], **ONE}, {0: "zero", **ONE}),
        Tpm("tpm: a PCR changed", {0: [16], **ONE}, {0: [16], **ONE}, changed=True),
        Tpm("tpm: the only key is bound to more", {0: [16]}, {0: [7, 16]}),
    ]
