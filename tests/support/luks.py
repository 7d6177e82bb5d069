# SPDX-License-Identifier: Apache-2.0
"""What the distribution's cryptsetup says of a volume, asked of its library: a process for each of the crash suite's
many questions would take more time than the answer."""
import ctypes
import json

ANY_SLOT, ERROR = -1, 1  # CRYPT_ANY_SLOT, CRYPT_LOG_ERROR
_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_said = []


@_LOG
def _log(level, message, _):
    if level == ERROR:
        _said.append(message.decode(errors="replace").strip())


def _library():
    library = ctypes.CDLL("libcryptsetup.so.12")
    library.crypt_init.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p]
    library.crypt_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    library.crypt_free.argtypes = [ctypes.c_void_p]
    library.crypt_activate_by_passphrase.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p,
                                                     ctypes.c_size_t, ctypes.c_uint32]
    library.crypt_dump_json.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_uint32]
    library.crypt_set_log_callback.argtypes = [ctypes.c_void_p, _LOG, ctypes.c_void_p]
    library.crypt_set_log_callback(None, _log, None)
    return library


class Volume:
    """One look at a LUKS2 header on a file or device; a context. Raises OSError when there is none."""
    library = None

    def __init__(self, path):
        if Volume.library is None:
            Volume.library = _library()
        _said.clear()
        self._device = ctypes.c_void_p()
        self._check(self.library.crypt_init(ctypes.byref(self._device), str(path).encode()))
        try:
            self._check(self.library.crypt_load(self._device, b"LUKS2", None))
        except OSError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.library.crypt_free(self._device)

    @staticmethod
    def _check(result):
        if result < 0:
            raise OSError(-result, "; ".join(_said) or "libcryptsetup says no more")

    def opens(self, passphrase, slot=ANY_SLOT):
        """Whether this key (bytes) opens the slot; nothing is activated."""
        return self.library.crypt_activate_by_passphrase(self._device, None, slot, passphrase, len(passphrase), 0) >= 0

    def header(self):
        """The JSON of the header."""
        text = ctypes.c_char_p()
        self._check(self.library.crypt_dump_json(self._device, ctypes.byref(text), 0))
        return json.loads(text.value)
