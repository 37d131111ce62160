"""Stands for the Python package of TensorRT 10.3, as far as its documentation says how it behaves."""

import ctypes
import enum
import json

from stand_in_model import StandInModel, bytes_of

__version__ = "10.3.0"


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class TensorFormat(enum.Enum):
    LINEAR = 0
    CHW32 = 5


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class BuilderFlag(enum.Enum):
    FP16 = 0
    INT8 = 1


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def __init__(self):
        pass


TYPES = {"float32": DataType.FLOAT, "uint8": DataType.UINT8, "int8": DataType.INT8}
MAGIC = b"ptrt"


class Context:
    def __init__(self, model):
        self._model = model
        self._addresses = {}
        self._shape = None

    def set_input_shape(self, name, shape):
        fits = [own in (-1, given) for own, given in zip(self._model.input["shape"], shape)]
        self._shape = list(shape)
        return all(fits)

    def get_tensor_shape(self, name):
        return tuple(self._model.output["shape"])

    def set_tensor_address(self, name, address):
        if not isinstance(address, int):
            raise TypeError("set_tensor_address(): incompatible function arguments")
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        given, wanted = (self._addresses.get(port["name"]) for port in (self._model.input, self._model.output))
        if self._shape is None or given is None or wanted is None:
            return False
        result = self._model.run(ctypes.string_at(given, bytes_of(self._model.input)))
        ctypes.memmove(wanted, result, len(result))
        return True


class Engine:
    def __init__(self, model):
        self._ports = [model.input, model.output]
        self._model = model
        self.num_io_tensors = 2

    def get_tensor_name(self, index):
        return self._ports[index]["name"]

    def _port(self, name):
        return next(port for port in self._ports if port["name"] == name)

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == self._model.input["name"] else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return tuple(self._port(name)["shape"])

    def get_tensor_dtype(self, name):
        return TYPES[self._port(name)["type"]]

    def get_tensor_format(self, name):
        return TensorFormat.LINEAR

    def create_execution_context(self):
        return Context(self._model)


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, content):
        if not content.startswith(MAGIC):
            words = "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (magicTag mismatch)"
            self._logger.log(ILogger.Severity.ERROR, words)
            return None
        return Engine(StandInModel(content[len(MAGIC) :]))


class Given:
    def __init__(self, port):
        self.name = port["name"]
        self.shape = tuple(port["shape"])


class Network:
    def __init__(self):
        self.text = None

    @property
    def num_inputs(self):
        return 1

    def get_input(self, index):
        return Given(json.loads(self.text)["input"])


class ParserError:
    def desc(self):
        return "Failed to parse ONNX model"


class OnnxParser:
    num_errors = 1

    def __init__(self, network, logger):
        self._network = network

    def parse_from_file(self, path):
        with open(path) as file:
            self._network.text = file.read()
        return self._network.text.startswith("{")

    def get_error(self, index):
        return ParserError()


class Config:
    def __init__(self):
        self.flags = set()

    def set_flag(self, flag):
        self.flags.add(flag)


class Builder:
    def __init__(self, logger):
        pass

    def create_network(self, flags=0):
        return Network()

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, config):
        return MAGIC + network.text.encode()
