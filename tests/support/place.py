# SPDX-License-Identifier: Apache-2.0
"""One volume on a plain file with its configuration and its root, the engine that works on it, and
the distribution's cryptsetup as the judge."""
import json
import os
import pathlib
import shutil
import subprocess

import luks

UUID = "4c4c4544-0039-3010-8048-b7c04f384432"
OTHER_UUID = "c0ffee00-1234-4321-8765-0a1b2c3d4e5f"
SIZE = 20 << 20
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
DOCUMENT = """\
apiVersion: v1alpha1
kind: UserVolumeConfig
name: {name}
volume: {{device: {image}}}
filesystem: {{type: ext4}}
encryption:
  provider: luks2
  keys:
{keys}
"""


class Lost(Exception):
    """A point after which something is not as it must be."""


def yaml_of(slot, key):
    """A declared key: "nodeID", YAML for a tpm key, or a passphrase."""
    if key.startswith("tpm:"):
        return f"    - {{slot: {slot}, {key}}}"
    return f"    - {{slot: {slot}, " + ("nodeID: {}}" if key == "nodeID" else f"static: {{passphrase: {key}}}}}")


def passphrase_of(key):
    """nodeID: of the machine and the volume that most tests have; "nodeID:…" of others."""
    if key == "nodeID":
        return UUID + "u-data"
    return key.removeprefix("nodeID:")


def copy_sparse(source, target):
    """The file's data, its holes left out."""
    with open(source, "rb") as reader, open(target, "wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(reader.fileno(), at, os.SEEK_DATA)
            except OSError:  # no data up to the end
                break
            end = os.lseek(reader.fileno(), at, os.SEEK_HOLE)
            os.lseek(writer.fileno(), at, os.SEEK_SET)
            os.lseek(reader.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(writer.fileno(), reader.fileno(), None, end - at)
        writer.truncate(size)


class Place:
    def __init__(self, engine, folder):
        self.engine_path = engine
        self.folder = pathlib.Path(folder)
        self.image, self.config, self.root = (self.folder / name for name in ("image", "config", "root"))

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.config.mkdir(parents=True)
        self.set_uuid(UUID)
        with open(self.image, "wb") as image:
            image.truncate(SIZE)

    def set_uuid(self, uuid):
        dmi = self.root / "sys/class/dmi/id"
        dmi.mkdir(parents=True, exist_ok=True)
        (dmi / "product_uuid").write_text(uuid + "\n", encoding="ascii")

    def become(self, template):
        """The state of `template`, at this place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copytree(template.root, self.root, symlinks=True)
        shutil.copytree(template.config, self.config)
        copy_sparse(template.image, self.image)
        if (template.folder / "meta").exists():
            copy_sparse(template.folder / "meta", self.folder / "meta")

    def declare(self, keys, extra="", name="data"):
        lines = "\n".join(yaml_of(slot, key) for slot, key in keys.items())
        text = DOCUMENT.format(name=name, image=self.image, keys=lines) + extra
        path = self.config / "volumes.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def engine(self, verb, *options, secret=None, header=None, environment=None, volume="u-data", test_kdf=True):
        """Exit status and last line of the engine; a killed one has a negative status. `secret` and `header` are
        handed over in memory files."""
        command = [str(self.engine_path), verb, volume, "--root", str(self.root), "--config-dir",
                   str(self.config), "--output", "json", *(["--test-kdf"] if test_kdf else []), *options]
        descriptors = []
        for name, content in (("secret", secret and secret.encode()), ("header", header)):
            if content is not None:
                descriptors.append(os.memfd_create(name, 0))
                os.write(descriptors[-1], content)
                os.lseek(descriptors[-1], 0, os.SEEK_SET)
                command += [f"--{name}-fd", str(descriptors[-1])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=descriptors,
                                  stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}, timeout=120)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        lines = done.stdout.splitlines()
        return done.returncode, json.loads(lines[-1]) if lines and done.returncode >= 0 else {}

    def must(self, verb, *options, **more):
        status, last = self.engine(verb, *options, **more)
        if status != 0:
            raise Lost(f"{verb} {' '.join(options)} ends with {status}: {last}")
        return last

    def cryptsetup(self, *arguments, stdin=""):
        # A passphrase may be any bytes: each is one character here.
        return subprocess.run(["cryptsetup", "--batch-mode", *arguments], input=stdin, encoding="latin-1",
                              check=False, capture_output=True, timeout=120)

    def cryptsetup_must(self, *arguments, stdin=""):
        done = self.cryptsetup(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise Lost(f"cryptsetup {' '.join(arguments)}: {done.stderr}")

    def opens(self, key, slot=luks.ANY_SLOT):
        try:
            with luks.Volume(self.image) as volume:
                return volume.opens(passphrase_of(key).encode("latin-1"), slot)
        except OSError:
            return False

    def header(self):
        try:
            with luks.Volume(self.image) as volume:
                return volume.header()
        except OSError as error:
            raise Lost(f"cryptsetup does not read the header: {error}") from error

    def record(self):
        """Its token's number and content."""
        return next((int(number), token) for number, token in self.header()["tokens"].items()
                    if token["type"] == "volumecrypt")

    def pins(self):
        """The names of the volumes that the machine remembers."""
        return sorted(path.stem for path in (self.root / "etc/volumecrypt/state/pins").glob("*.json"))

    def kept_headers(self):
        """Copies of headers that the engine keeps while it changes one."""
        return sorted((self.root / "etc/volumecrypt/state/backups").glob("*"))

    def add_foreign(self, slot, key, opened_by):
        """A key slot that somebody else adds, by cryptsetup."""
        file = self.folder / "new-key"
        file.write_text(key, encoding="ascii")
        self.cryptsetup_must("luksAddKey", *CHEAP, "--key-slot", str(slot), "--key-file", "-", str(self.image),
                             str(file), stdin=passphrase_of(opened_by))
        file.unlink()

    def luks_format(self, slot, key, *options):
        """A volume that somebody else made; synced, it is ours and ready."""
        self.cryptsetup_must("luksFormat", "--type", "luks2", *CHEAP, "--key-slot", str(slot), "--key-file", "-",
                             "--luks2-metadata-size", "128k", *options, str(self.image), stdin=passphrase_of(key))
