# SPDX-License-Identifier: Apache-2.0
"""META as Talos writes it: made and read here without anything of ours."""
import hashlib
import struct

COPY = 256 << 10
MAGIC_START, MAGIC_END = 0x5A4B3C2D, 0xA5B4C3D2


def make(tags):
    """Both copies with these tags (number -> bytes)."""
    copy = bytearray(COPY)
    struct.pack_into(">I", copy, 0, MAGIC_START)
    at = 4
    for tag, value in sorted(tags.items()):
        struct.pack_into(">II", copy, at, tag, len(value))
        copy[at + 8:at + 8 + len(value)] = value
        at += 8 + len(value)
    struct.pack_into(">I", copy, COPY - 4, MAGIC_END)
    copy[COPY - 36:COPY - 4] = hashlib.sha256(copy).digest()
    return bytes(copy) * 2


def read(image):
    """The tags of the first copy that is whole; None when neither is."""
    for start in (0, COPY):
        copy = bytearray(image[start:start + COPY])
        checksum = bytes(copy[COPY - 36:COPY - 4])
        copy[COPY - 36:COPY - 4] = bytes(32)
        if struct.unpack_from(">I", copy, 0)[0] != MAGIC_START or hashlib.sha256(copy).digest() != checksum:
            continue
        tags, at = {}, 4
        while at + 8 <= COPY - 36:
            tag, size = struct.unpack_from(">II", copy, at)
            if tag == 0:
                break
            tags[tag] = bytes(copy[at + 8:at + 8 + size])
            at += 8 + size
        return tags
    return None
