# SPDX-License-Identifier: Apache-2.0
"""What an encrypted device holds, found out without libcryptsetup and the kernel: AES-XTS over the volume key."""
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def decrypt(data, key, sector_size=512, first=0):
    """aes-xts-plain64: the number of each sector, in units of 512 bytes, is its tweak. `first` is that of `data`."""
    backend, algorithm = default_backend(), algorithms.AES(key)
    plain = bytearray()
    for at in range(0, len(data), sector_size):
        tweak = (first + at // 512).to_bytes(16, "little")
        step = Cipher(algorithm, modes.XTS(tweak), backend).decryptor()
        plain += step.update(data[at:at + sector_size])
    return bytes(plain)


def encrypt(data, key, sector_size=512, first=0):
    """The reverse."""
    backend, algorithm = default_backend(), algorithms.AES(key)
    hidden = bytearray()
    for at in range(0, len(data), sector_size):
        tweak = (first + at // 512).to_bytes(16, "little")
        step = Cipher(algorithm, modes.XTS(tweak), backend).encryptor()
        hidden += step.update(data[at:at + sector_size])
    return bytes(hidden)
