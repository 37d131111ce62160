"""Runs TensorRT engines, and builds them of ONNX files: the package tensorrt, from 8.5 on, and libcudart."""

from aviary_sidecar import Model, Port, Refusal, Runtime, bytes_in, missing, serve
from cuda_memory import Cuda, CudaError

try:
    import tensorrt as trt
except ImportError:
    trt = None

# By the names of trt.DataType; which of them there are depends on the version.
TYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


def type_of(name, element):
    for known, type in TYPES.items():
        if getattr(trt.DataType, known, None) == element:
            return type
    raise Refusal("model-refused", "%s has elements of %s, which the protocol does not have" % (name, element))


def log():
    class Log(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, words):
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.errors.append(words)
                print(words, flush=True)

        def last(self):
            """What it has said last, and forgets."""
            said = self.errors[-1:] or ["it does not say why"]
            self.errors.clear()
            return said[0]

    return Log()


class TensorRtModel(Model):
    def __init__(self, engine, cuda):
        self._engine = engine
        self._cuda = cuda
        self._context = engine.create_execution_context()
        if self._context is None:
            raise Refusal("model-refused", "there is no memory for it on the GPU")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        ports = [Port(name, type_of(name, engine.get_tensor_dtype(name)), engine.get_tensor_shape(name)) for name in names]
        for name in names:
            if engine.get_tensor_format(name) != trt.TensorFormat.LINEAR:
                raise Refusal("model-refused", "%s lies in memory in another order than row by row" % name)
        is_input = [engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names]
        self.inputs = [port for port, given in zip(ports, is_input) if given]
        self.outputs = [port for port, given in zip(ports, is_input) if not given]
        self.effective = "tensorrt"
        # By name: how many bytes there are on the GPU, and where.
        self._memory = {}

    def run(self, inputs, wanted):
        for name, (shape, elements) in inputs.items():
            self._context.set_input_shape(name, tuple(shape))
            self._cuda.to_device(self._place(name, len(elements)), elements)
        shapes = {}
        for port in self.outputs:
            shape = [int(size) for size in self._context.get_tensor_shape(port.name)]
            if any(size < 0 for size in shape):
                raise Refusal("run-failed", "the shape of %s follows from what the model sees" % port.name)
            shapes[port.name] = shape
            self._place(port.name, bytes_in(port.type, shape))
        if not self._context.execute_async_v3(self._cuda.stream):
            raise Refusal("run-failed", "TensorRT does not run the engine")
        self._cuda.wait()
        types = {port.name: port.type for port in self.outputs}
        return [
            (shapes[name], self._cuda.to_host(self._memory[name][1], bytes_in(types[name], shapes[name])))
            for name in wanted
        ]

    def _place(self, name, length):
        have, pointer = self._memory.get(name, (-1, None))
        if have < length:
            if pointer is not None:
                self._cuda.free(pointer)
            pointer = self._cuda.allocate(length)
            self._memory[name] = (length, pointer)
            self._context.set_tensor_address(name, pointer)
        return pointer


class TensorRt(Runtime):
    name = "tensorrt"
    runtime = "tensorrt"
    # An ONNX file is loaded as what was prepared of it.
    formats = ("engine", "onnx")
    provider = "tensorrt"
    prepares = ("onnx",)

    def __init__(self):
        if trt is None:
            missing("the Python package tensorrt", "apt-get install python3-libnvinfer")
        self.version = trt.__version__
        try:
            self._cuda = Cuda()
        except CudaError as error:
            raise SystemExit("the GPU cannot be used: %s" % error)
        self._log = log()
        self._runtime = trt.Runtime(self._log)

    def load(self, file, format, prepared, threads):
        if format == "onnx" and not prepared:
            raise Refusal("model-refused", "an ONNX file has to be prepared before it is loaded")
        with open(file, "rb") as engine:
            loaded = self._runtime.deserialize_cuda_engine(engine.read())
        if loaded is None:
            raise Refusal("model-refused", self._log.last())
        return TensorRtModel(loaded, self._cuda)

    def prepare(self, file, format, precision, into):
        builder = trt.Builder(self._log)
        # Always so from TensorRT 10 on; later ones do not have the flag.
        batch = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
        network = builder.create_network(0 if batch is None else 1 << int(batch))
        parser = trt.OnnxParser(network, self._log)
        if not parser.parse_from_file(file):
            errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
            raise Refusal("prepare-failed", "; ".join(errors) or self._log.last())
        config = builder.create_builder_config()
        flag = {"fp16": "FP16", "int8": "INT8"}.get(precision)
        if flag is not None and hasattr(trt.BuilderFlag, flag):
            config.set_flag(getattr(trt.BuilderFlag, flag))
        profile = self._profile(builder, network)
        if profile is not None:
            config.add_optimization_profile(profile)
        built = builder.build_serialized_network(network, config)
        if built is None:
            raise Refusal("prepare-failed", self._log.last())
        with open(into, "wb") as engine:
            engine.write(memoryview(built))

    @staticmethod
    def _profile(builder, network):
        """For models of any number of pictures: built for one."""
        profile = None
        for i in range(network.num_inputs):
            given = network.get_input(i)
            shape = [int(size) for size in given.shape]
            if all(size >= 0 for size in shape):
                continue
            if any(size < 0 for size in shape[1:]):
                raise Refusal("prepare-failed", "%s may be of any size; export the model for one" % given.name)
            profile = profile or builder.create_optimization_profile()
            one = [1] + shape[1:]
            profile.set_shape(given.name, one, one, one)
        return profile


if __name__ == "__main__":
    serve(TensorRt)
