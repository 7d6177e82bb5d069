# SPDX-License-Identifier: Apache-2.0
"""A volume with its configuration and its root, as small as it can be kept in the repository: a folder with
`volumes.yaml`, `facts.json` and `files.tar.xz`. @PLACE@ in their texts is where it is unpacked. Areas of key slots
are kept as they are before they are encrypted (see tests/data/packable_slots.cpp)."""
import ctypes
import ctypes.util
import io
import json
import pathlib
import shutil
import tarfile

from place import Lost

PLACE = "@PLACE@"
SECTOR = 512
# What a machine has of a volume and a boot does not take away.
KEPT = ("etc", "sys", "system", "var")


def crypt_area(key, data, encrypt):
    """aes-xts-plain64 from sector 0 on, as LUKS2 does it with the area of a key slot."""
    library = ctypes.CDLL(ctypes.util.find_library("crypto"))
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_xts", "EVP_aes_256_xts"):
        getattr(library, name).restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.EVP_CIPHER_CTX_new())
    cipher = ctypes.c_void_p(library.EVP_aes_256_xts() if len(key) == 64 else library.EVP_aes_128_xts())
    done, length = bytearray(), ctypes.c_int()
    out = ctypes.create_string_buffer(SECTOR)
    for at in range(0, len(data), SECTOR):
        number = (at // SECTOR).to_bytes(16, "little")
        if library.EVP_CipherInit_ex(context, cipher, None, key, number, int(encrypt)) != 1 or \
                library.EVP_CipherUpdate(context, out, ctypes.byref(length), data[at:at + SECTOR], SECTOR) != 1:
            raise Lost("libcrypto does not encrypt")
        done += out.raw[:length.value]
    library.EVP_CIPHER_CTX_free(context)
    return bytes(done)


def in_the_clear(image, header, derived):
    """Takes the encryption off the slots' areas; its keys by slot, found among those that were derived."""
    keys = {}
    for slot, entry in header["keyslots"].items():
        area = entry["area"]
        if area["encryption"] != "aes-xts-plain64":
            raise Lost(f"slot {slot} is encrypted by {area['encryption']}")
        at, size = int(area["offset"]), entry["key_size"] * entry["af"]["stripes"]
        for key in derived:
            if len(key) != area["key_size"]:
                continue
            clear = crypt_area(key, bytes(image[at:at + size]), False)
            if clear.count(0) > size // 2:
                keys[slot] = key.hex()
                image[at:at + size] = clear
                break
        else:
            raise Lost(f"nobody derived the key of slot {slot}'s area")
    return keys


def pack(place, target, facts, derived):
    """What is at the place, into a new folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    image = bytearray(place.image.read_bytes())
    facts = {**facts, "size": len(image), "areas": []}
    if place.cryptsetup("isLuks", str(place.image)).returncode == 0:
        header = place.header()
        keys = in_the_clear(image, header, derived)
        facts["areas"] = [{"offset": int(entry["area"]["offset"]), "size": entry["key_size"] * entry["af"]["stripes"],
                           "key": keys[slot]} for slot, entry in header["keyslots"].items()]
    here = str(place.folder)
    (target / "volumes.yaml").write_text((place.config / "volumes.yaml").read_text().replace(here, PLACE))
    (target / "facts.json").write_text(json.dumps(facts, indent=1).replace(here, PLACE) + "\n")
    with tarfile.open(target / "files.tar.xz", "w:xz", preset=9) as archive:
        def add(name, content):
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o600, len(content)
            archive.addfile(member, io.BytesIO(content))
        add("image", bytes(image.rstrip(b"\0")))
        for path in sorted(place.folder.rglob("*")):
            name = path.relative_to(place.folder)
            if path.is_file() and (name.parts[0] in ("meta", "tpm") or name.parts[0] == "root" and
                                   name.parts[1] in KEPT):
                add(str(name), path.read_bytes())


def unpack(source, place):
    """The other way; the facts."""
    shutil.rmtree(place.folder, ignore_errors=True)
    place.config.mkdir(parents=True)
    here = str(place.folder)
    facts = json.loads((source / "facts.json").read_text().replace(PLACE, here))
    with tarfile.open(source / "files.tar.xz") as archive:
        for member in archive:
            path = place.folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(member).read())
            path.chmod(0o600)
    with open(place.image, "r+b") as image:
        image.truncate(facts["size"])
        for area in facts["areas"]:
            image.seek(area["offset"])
            clear = image.read(area["size"])
            image.seek(area["offset"])
            image.write(crypt_area(bytes.fromhex(area["key"]), clear, True))
    config = place.config / "volumes.yaml"
    config.write_text((source / "volumes.yaml").read_text().replace(PLACE, here))
    config.chmod(0o600)
    return facts


def releases():
    """The folders of the releases."""
    data = pathlib.Path(__file__).resolve().parents[1] / "data"
    return sorted(path for path in data.iterdir() if path.is_dir())
