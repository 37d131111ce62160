import os

from stand_in_model import StandInModel, bytes_of


class uint8:
    """As numpy names its types."""


class int8:
    pass


class float32:
    pass


TYPES = {"uint8": uint8, "int8": int8, "float32": float32}


class Delegate:
    def __init__(self, library):
        self.library = library


def load_delegate(library, options=None):
    if library != "libedgetpu.so.1":
        raise OSError("%s: cannot open shared object file: No such file or directory" % library)
    # As libedgetpu without a stick.
    if os.environ.get("STAND_IN_EDGETPU") == "none":
        raise ValueError("Failed to load delegate from libedgetpu.so.1")
    return Delegate(library)


class Interpreter:
    def __init__(self, model_path=None, model_content=None, experimental_delegates=None, num_threads=None):
        content = model_content if model_content is not None else open(model_path, "rb").read()
        try:
            # After the identifier of the FlatBuffer, and the operator of the Edge TPU where it is compiled.
            self._model = StandInModel(content[content.index(b"{") :])
        except ValueError:
            raise ValueError("Model provided has model identifier '%s', should be 'TFL3'" % content[4:8].decode("latin1"))
        if b"edgetpu-custom-op" in content and not experimental_delegates:
            raise RuntimeError("Encountered unresolved custom op: edgetpu-custom-op.")
        self._tensors = None

    def allocate_tensors(self):
        self._tensors = [bytearray(bytes_of(port)) for port in (self._model.input, self._model.output)]

    def get_input_details(self):
        return [self._detail(0, self._model.input)]

    def get_output_details(self):
        return [self._detail(1, self._model.output)]

    def tensor(self, index):
        if self._tensors is None:
            raise ValueError("Tensor data is null. Run allocate_tensors() first")
        return lambda: self._tensors[index]

    def invoke(self):
        for tensor in self._tensors:
            try:
                # What somebody looks into cannot change its size.
                tensor.append(0)
                tensor.pop()
            except BufferError:
                raise RuntimeError("There is at least 1 reference to internal data in the interpreter")
        self._tensors[1][:] = self._model.run(self._tensors[0])

    @staticmethod
    def _detail(index, port):
        return {
            "name": port["name"],
            "index": index,
            "shape": port["shape"],
            "dtype": TYPES[port["type"]],
            "quantization": (port.get("scale", 0.0), port.get("zeroPoint", 0)),
        }
