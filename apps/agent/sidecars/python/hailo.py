"""Runs HEF files on a Hailo: the package hailo_platform of HailoRT, with its InferModel (from 4.18 on)."""

import os

from aviary_sidecar import Model, Port, Refusal, Runtime, missing, serve

# Otherwise HailoRT writes hailort.log into the folder that it is started in.
os.environ.setdefault("HAILORT_LOGGER_PATH", "NONE")

try:
    import hailo_platform
    import numpy
except ImportError:
    hailo_platform = None

RUN_MILLISECONDS = 10_000


class HailoModel(Model):
    def __init__(self, infer_model):
        formats = hailo_platform.FormatType
        for stream in infer_model.outputs:
            if stream.is_nms:
                raise Refusal(
                    "model-refused", "%s is already the result of an NMS; compile the model without nms_postprocess" % stream.name
                )
            # HailoRT makes numbers of what the chip gives.
            stream.set_format_type(formats.FLOAT32)
        for stream in infer_model.inputs:
            stream.set_format_type(formats.UINT8 if stream.quant_infos else formats.FLOAT32)
        self.inputs = [self._input(stream) for stream in infer_model.inputs]
        # Each is one picture: the protocol's tensors begin with how many.
        self.outputs = [Port(stream.name, "float32", [1] + list(stream.shape)) for stream in infer_model.outputs]
        self.effective = "hailo"
        self._configured = infer_model.configure()
        self._bindings = self._configured.create_bindings()
        self._results = {}
        for port in self.outputs:
            self._results[port.name] = numpy.empty(port.shape[1:], dtype=numpy.float32)
            self._bindings.output(port.name).set_buffer(self._results[port.name])

    @staticmethod
    def _input(stream):
        shape = [1] + list(stream.shape)
        infos = stream.quant_infos
        if not infos:
            return Port(stream.name, "float32", shape)
        return Port(stream.name, "uint8", shape, infos[0].qp_scale, int(infos[0].qp_zp))

    def run(self, inputs, wanted):
        elements = {port.name: numpy.float32 if port.type == "float32" else numpy.uint8 for port in self.inputs}
        for name, (shape, content) in inputs.items():
            picture = numpy.frombuffer(content, dtype=elements[name]).reshape(shape[1:])
            self._bindings.input(name).set_buffer(picture)
        self._configured.run([self._bindings], RUN_MILLISECONDS)
        shapes = {port.name: port.shape for port in self.outputs}
        return [(shapes[name], self._results[name].tobytes()) for name in wanted]


class Hailo(Runtime):
    name = "hailo"
    runtime = "hailort"
    formats = ("hef",)
    provider = "hailo"
    exclusive = True

    def __init__(self):
        if hailo_platform is None:
            missing("the Python package hailo_platform", "apt-get install hailo-all, or python3-hailort")
        self.version = hailo_platform.__version__
        try:
            parameters = hailo_platform.VDevice.create_params()
            # Several models of a release take turns.
            parameters.scheduling_algorithm = hailo_platform.HailoSchedulingAlgorithm.ROUND_ROBIN
            self._device = hailo_platform.VDevice(parameters)
        except Exception as error:
            raise SystemExit("the Hailo cannot be used: %s" % error)

    def load(self, file, format, prepared, threads):
        infer_model = self._device.create_infer_model(file)
        infer_model.set_batch_size(1)
        return HailoModel(infer_model)


if __name__ == "__main__":
    serve(Hailo)
