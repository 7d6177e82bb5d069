# SPDX-License-Identifier: Apache-2.0
"""The data of a volume, decrypted without libcryptsetup and without the kernel: AES-XTS by OpenSSL under the volume key
that cryptsetup dumps. What is encrypted twice, or with another key, shows."""
import ctypes
import hashlib
import os
import pathlib
import subprocess
import tempfile

SECTOR = 512


def _library():
    library = ctypes.CDLL("libcrypto.so.3")
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_xts"):
        getattr(library, name).restype = ctypes.c_void_p
    for way in ("Decrypt", "Encrypt"):
        getattr(library, f"EVP_{way}Init_ex").argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
                                                          ctypes.c_char_p, ctypes.c_char_p]
        getattr(library, f"EVP_{way}Update").argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                                         ctypes.POINTER(ctypes.c_int), ctypes.c_char_p, ctypes.c_int]
    library.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
    return library


def decrypted(data, key, sector=SECTOR, way="Decrypt"):
    """The bytes of a whole data segment (aes-xts-plain64)."""
    library = _library()
    begin, update = getattr(library, f"EVP_{way}Init_ex"), getattr(library, f"EVP_{way}Update")
    context = library.EVP_CIPHER_CTX_new()
    begin(context, library.EVP_aes_256_xts(), None, key, None)
    plain, length = ctypes.create_string_buffer(sector), ctypes.c_int()
    parts = []
    for number in range(len(data) // sector):
        tweak = (number * (sector // SECTOR)).to_bytes(16, "little")
        begin(context, None, None, None, tweak)
        update(context, plain, ctypes.byref(length), data[number * sector:(number + 1) * sector], sector)
        parts.append(plain.raw)
    library.EVP_CIPHER_CTX_free(context)
    return b"".join(parts)


def encrypted(data, key, sector=SECTOR):
    """The reverse."""
    return decrypted(data, key, sector, "Encrypt")


def volume_key(image, passphrase, slot=None):
    """None when the passphrase (bytes) does not open it."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "key"
        done = subprocess.run(["cryptsetup", "--batch-mode", "luksDump", "--dump-volume-key", "--volume-key-file",
                               str(file), "--key-file", "-", *(["--key-slot", str(slot)] if slot is not None else []),
                               str(image)], input=passphrase, capture_output=True, check=False)
        return file.read_bytes() if done.returncode == 0 else None


def digest(image, key, offset=16 << 20, size=None, sector=SECTOR):
    """SHA-256 of the data of a volume that is not in flight."""
    with open(image, "rb") as file:
        return hashlib.sha256(decrypted(os.pread(file.fileno(), size or os.fstat(file.fileno()).st_size - offset,
                                                 offset), key, sector)).hexdigest()
