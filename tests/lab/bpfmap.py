# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf(2) from Python: pinned maps and test runs, in microseconds where a bpftool
process takes 10 ms."""
import ctypes
import os
import struct

BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM = 1, 2, 3
BPF_MAP_GET_NEXT_KEY, BPF_PROG_LOAD, BPF_OBJ_GET = 4, 5, 7
BPF_PROG_TEST_RUN, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD = 10, 13, 15
BPF_MAP_GET_FD_BY_ID = 14
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    attr = ctypes.create_string_buffer(attributes, 128)
    result = _libc.syscall(SYS_BPF, command, attr, len(attr))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Map:
    """A pinned map whose keys and values are struct formats ("=IH" and so on)."""

    def __init__(self, path, key_format, value_format):
        self.key = struct.Struct(key_format)
        self.value = struct.Struct(value_format)
        name = ctypes.create_string_buffer(os.fsencode(path))
        self.fd = _bpf(BPF_OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))
        sizes = self._sizes()
        if sizes != (self.key.size, self.value.size):
            raise ValueError(f"{path}: key and value have {sizes} octets in the kernel, "
                             f"{self.key.size, self.value.size} here")

    def _sizes(self):
        """struct bpf_map_info begins with type, id, key_size, value_size."""
        info = ctypes.create_string_buffer(16)
        _bpf(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", self.fd, len(info),
                                                 ctypes.addressof(info)))
        return struct.unpack("=4I", info.raw)[2:]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _call(self, command, key, value):
        return _bpf(command, struct.pack("=IIQQQ", self.fd, 0,
                                         ctypes.addressof(key) if key else 0,
                                         ctypes.addressof(value) if value else 0, 0))

    def write(self, key, value):
        """`key` and `value` are tuples of their struct's fields."""
        self._call(BPF_MAP_UPDATE_ELEM, ctypes.create_string_buffer(self.key.pack(*key)),
                   ctypes.create_string_buffer(self.value.pack(*value)))

    def read(self, key):
        value = ctypes.create_string_buffer(self.value.size)
        self._call(BPF_MAP_LOOKUP_ELEM, ctypes.create_string_buffer(self.key.pack(*key)), value)
        return self.value.unpack(value.raw)

    def delete(self, key):
        self._call(BPF_MAP_DELETE_ELEM, ctypes.create_string_buffer(self.key.pack(*key)), None)

    def _keys(self):
        """The keys as tuples, each once: after a key that somebody deleted meanwhile the
        kernel begins again at the first."""
        key, keys = None, {}
        while True:
            following = ctypes.create_string_buffer(self.key.size)
            try:
                self._call(BPF_MAP_GET_NEXT_KEY, key, following)
            except FileNotFoundError:
                return list(keys)
            keys[self.key.unpack(following.raw)] = True
            key = following

    def items(self):
        """The entries as (key tuple, value tuple), without those that go meanwhile."""
        for key in self._keys():
            try:
                yield key, self.read(key)
            except FileNotFoundError:
                pass

    def clear(self):
        for key in self._keys():
            try:
                self.delete(key)
            except FileNotFoundError:
                pass


def map_fd(number):
    """A file descriptor of a map, by its id."""
    return _bpf(BPF_MAP_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))


def program_fd(number):
    """A file descriptor of a loaded program, by its id."""
    return _bpf(BPF_PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))


def load_constant(program_type, value):
    """Loads a program that does nothing but return `value`."""
    code = ctypes.create_string_buffer(struct.pack("=BBhi", 0xb7, 0, 0, value) +
                                       struct.pack("=BBhi", 0x95, 0, 0, 0), 16)
    licence = ctypes.create_string_buffer(b"GPL")
    return _bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", program_type, 2, ctypes.addressof(code),
                                           ctypes.addressof(licence)))


def run_program(fd, frame, repeat, context=b""):
    """BPF_PROG_TEST_RUN: (verdict, ns per run). Not for programs that change the frame."""
    data = ctypes.create_string_buffer(frame, len(frame))
    given = ctypes.create_string_buffer(context, len(context)) if context else None
    attr = ctypes.create_string_buffer(struct.pack(
        "=IIIIQQIIIIQQ", fd, 0, len(frame), 0, ctypes.addressof(data), 0, repeat, 0,
        len(context), 0, ctypes.addressof(given) if given else 0, 0), 128)
    if _libc.syscall(SYS_BPF, BPF_PROG_TEST_RUN, attr, len(attr)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    fields = struct.unpack_from("=IIIIQQII", attr)
    return fields[1], fields[7]
