"""Stands for the Python package of HailoRT 4.20, as far as its sources say how it behaves."""

import os

from stand_in_model import StandInModel

__version__ = "4.20.0"


class HailoRTException(Exception):
    pass


class FormatType:
    AUTO, UINT8, UINT16, FLOAT32 = range(4)


class HailoSchedulingAlgorithm:
    NONE, ROUND_ROBIN = range(2)


class QuantInfo:
    def __init__(self, scale, zero_point):
        self.qp_scale = scale
        self.qp_zp = float(zero_point)


class InferStream:
    def __init__(self, port, is_nms):
        self.port = port
        self.name = port["name"]
        # Without the number of pictures.
        self.shape = port["shape"][1:]
        self.is_nms = is_nms
        self.quant_infos = [QuantInfo(port["scale"], port.get("zeroPoint", 0))] if "scale" in port else []
        self.format_type = FormatType.AUTO

    def set_format_type(self, format_type):
        self.format_type = format_type


class Buffer:
    def __init__(self, stream):
        self._stream = stream
        self.buffer = None

    def set_buffer(self, buffer):
        if list(buffer.shape) != list(self._stream.shape):
            raise HailoRTException("expected a buffer of shape %s, got %s" % (self._stream.shape, buffer.shape))
        self.buffer = buffer


class Bindings:
    def __init__(self, model):
        self._buffers = {stream.name: Buffer(stream) for stream in model.inputs + model.outputs}

    def input(self, name=""):
        return self._buffers[name]

    output = input


class ConfiguredInferModel:
    def __init__(self, model):
        self._model = model

    def create_bindings(self):
        return Bindings(self._model)

    def run(self, bindings, timeout):
        (one,) = bindings
        (given,), (wanted,) = self._model.inputs, self._model.outputs
        if given.format_type != FormatType.UINT8 or wanted.format_type != FormatType.FLOAT32:
            raise HailoRTException("expected input as UINT8 and output as FLOAT32")
        # HailoRT makes numbers of what the chip gives.
        result = self._model.model.run(one.input(given.name).buffer)
        one.output(wanted.name).buffer[:] = result


class InferModel:
    def __init__(self, path):
        with open(path, "rb") as file:
            content = file.read()
        if not content.startswith(b"\x01HEF"):
            raise HailoRTException("HAILO_INVALID_HEF: Invalid HEF")
        self.model = StandInModel(content[4:])
        self.inputs = [InferStream(self.model.input, False)]
        self.outputs = [InferStream(self.model.output, "nms" in self.model.output["name"])]

    def set_batch_size(self, size):
        pass

    def configure(self):
        return ConfiguredInferModel(self)


class Params:
    scheduling_algorithm = HailoSchedulingAlgorithm.NONE


class VDevice:
    def __init__(self, params=None):
        if os.environ.get("STAND_IN_HAILO") == "none":
            raise HailoRTException("HAILO_OUT_OF_PHYSICAL_DEVICES")

    @staticmethod
    def create_params():
        return Params()

    def create_infer_model(self, path):
        return InferModel(path)
