"""A model that the stand-ins for vendors' packages run: y = x · weights + bias, as JSON."""

import json
import struct

FORMATS = {"float32": "f", "uint8": "B", "int8": "b"}
RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


class StandInModel:
    def __init__(self, text):
        spec = json.loads(text)
        self.input, self.output = spec["input"], spec["output"]
        self.weights, self.bias = spec["weights"], spec["bias"]

    def run(self, content):
        x = self._numbers(self.input, content)
        y = [
            sum(value * row[column] for value, row in zip(x, self.weights)) + bias
            for column, bias in enumerate(self.bias)
        ]
        return self._elements(self.output, y)

    @staticmethod
    def _numbers(port, content):
        elements = struct.unpack("<%d%s" % (length_of(port["shape"]), FORMATS[port["type"]]), bytes(content))
        scale, zero_point = port.get("scale", 1), port.get("zeroPoint", 0)
        return [(element - zero_point) * scale for element in elements]

    @staticmethod
    def _elements(port, numbers):
        scale, zero_point = port.get("scale"), port.get("zeroPoint", 0)
        if scale is not None:
            least, most = RANGES[port["type"]]
            numbers = [min(most, max(least, round(number / scale) + zero_point)) for number in numbers]
        return struct.pack("<%d%s" % (len(numbers), FORMATS[port["type"]]), *numbers)


def length_of(shape):
    length = 1
    for size in shape:
        length *= size
    return length


def bytes_of(port):
    return length_of(port["shape"]) * struct.calcsize(FORMATS[port["type"]])
