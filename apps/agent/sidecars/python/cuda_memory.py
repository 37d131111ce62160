"""Memory of the GPU, through the CUDA runtime library itself: on a Jetson there is no Python package for it."""

import ctypes

from aviary_sidecar import missing

NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
# cudaMemcpyKind
TO_DEVICE = 1
TO_HOST = 2


class CudaError(Exception):
    """The CUDA runtime has refused something."""


class Cuda:
    def __init__(self):
        self._library = self._open()
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        self.stream = stream.value or 0

    def allocate(self, length):
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(max(1, length)))
        return pointer.value

    def free(self, pointer):
        self._call("cudaFree", ctypes.c_void_p(pointer))

    def to_device(self, pointer, elements):
        """Waits until the elements are there."""
        # Of memory that may not be written a copy is made, for which ctypes gives an address.
        length = len(elements)
        host = (ctypes.c_char * length).from_buffer(elements) if not elements.readonly else (
            ctypes.c_char * length
        ).from_buffer_copy(elements)
        self._copy(ctypes.c_void_p(pointer), host, length, TO_DEVICE)

    def to_host(self, pointer, length):
        host = bytearray(length)
        self._copy((ctypes.c_char * length).from_buffer(host), ctypes.c_void_p(pointer), length, TO_HOST)
        return host

    def wait(self):
        """For all that was put into the stream."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(self.stream))

    def _copy(self, to, of, length, kind):
        if length > 0:
            self._call("cudaMemcpy", to, of, ctypes.c_size_t(length), ctypes.c_int(kind))

    def _call(self, name, *arguments):
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            words = self._library.cudaGetErrorString(code) or b"error %d" % code
            raise CudaError("%s: %s" % (name, words.decode()))

    @staticmethod
    def _open():
        for name in NAMES:
            try:
                return ctypes.CDLL(name)
            except OSError:
                continue
        missing("the CUDA runtime (libcudart.so)", "apt-get install cuda-cudart-12-6, or the CUDA toolkit of JetPack")
