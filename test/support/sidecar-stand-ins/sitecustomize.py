"""Gives programs a CUDA runtime whose memory is the processor's."""

import ctypes
import os

_open = ctypes.CDLL


class StandInCudart:
    """By the CUDA runtime API: each call gives an error code, 0 is success."""

    def __init__(self):
        self._blocks = {}
        self.cudaGetErrorString = _Named(lambda code: b"no CUDA-capable device is detected" if code == 100 else b"invalid argument")

    def cudaStreamCreate(self, stream):
        # cudaErrorNoDevice
        if os.environ.get("STAND_IN_CUDA") == "none":
            return 100
        stream._obj.value = 1
        return 0

    def cudaStreamSynchronize(self, stream):
        return 0

    def cudaMalloc(self, pointer, length):
        block = ctypes.create_string_buffer(length.value)
        pointer._obj.value = ctypes.addressof(block)
        self._blocks[pointer._obj.value] = block
        return 0

    def cudaFree(self, pointer):
        return 0 if self._blocks.pop(pointer.value, None) is not None else 1

    def cudaMemcpy(self, to, of, length, kind):
        device = to if kind.value == 1 else of
        block = self._blocks.get(device.value)
        if block is None or length.value > len(block):
            return 1
        ctypes.memmove(to, of, length.value)
        return 0


class _Named:
    def __init__(self, function):
        self._function = function

    def __call__(self, *arguments):
        return self._function(*arguments)


class CDLL(_open):
    def __new__(cls, name, *arguments, **options):
        if name is not None and str(name).startswith("libcudart"):
            return StandInCudart()
        return super().__new__(cls)


ctypes.CDLL = CDLL
