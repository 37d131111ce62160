"""As much of numpy as the sidecar for Hailo uses; hailo_platform brings the real one."""

import struct


class float32:
    code = "f"


class uint8:
    code = "B"


class ndarray(bytearray):
    """Its elements row by row, as numpy has them."""

    shape = ()

    def reshape(self, shape):
        self.shape = tuple(shape)
        return self

    def tobytes(self):
        return bytes(self)


def empty(shape, dtype):
    length = struct.calcsize(dtype.code)
    for size in shape:
        length *= size
    return ndarray(length).reshape(shape)


def frombuffer(content, dtype):
    return ndarray(content)
