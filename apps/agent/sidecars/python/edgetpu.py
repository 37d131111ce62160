"""Runs TFLite models on a Coral Edge TPU: tflite_runtime or ai_edge_litert, with the delegate of libedgetpu."""

import importlib.metadata

from aviary_sidecar import Model, Port, Refusal, Runtime, missing, serve

LIBRARY = "libedgetpu.so.1"
# The operator into which the Edge TPU compiler puts what it has compiled.
COMPILED = b"edgetpu-custom-op"


def find_interpreter():
    """The class Interpreter, the function load_delegate, and the version of their package."""
    for module, package in (("tflite_runtime", "tflite-runtime"), ("ai_edge_litert", "ai-edge-litert")):
        try:
            interpreter = __import__(module + ".interpreter", fromlist=["Interpreter"])
        except ImportError:
            continue
        version = getattr(__import__(module), "__version__", None) or importlib.metadata.version(package)
        return interpreter.Interpreter, interpreter.load_delegate, version
    missing("TensorFlow Lite for Python", "apt-get install python3-tflite-runtime, or pip install ai-edge-litert")


def port_of(detail):
    scale, zero_point = detail["quantization"]
    element = detail["dtype"].__name__.rstrip("_")
    # TFLite writes a scale of 0 where a tensor is not quantised.
    scale = float(scale) or None
    return Port(detail["name"], element, detail["shape"], scale, zero_point)


class EdgeTpuModel(Model):
    def __init__(self, interpreter, is_compiled):
        self._interpreter = interpreter
        details = interpreter.get_input_details(), interpreter.get_output_details()
        self.inputs, self.outputs = ([port_of(one) for one in some] for some in details)
        self._index = {one["name"]: one["index"] for some in details for one in some}
        self.effective = "edgetpu" if is_compiled else "cpu"
        if not is_compiled:
            self.reason = "the file was not compiled with edgetpu_compiler"

    def run(self, inputs, wanted):
        for name, (_, elements) in inputs.items():
            self._view(name)[:] = elements
        self._interpreter.invoke()
        shapes = {port.name: port.shape for port in self.outputs}
        # Copied: the interpreter does not run while somebody looks into its memory.
        return [(shapes[name], bytes(self._view(name))) for name in wanted]

    def _view(self, name):
        # Called at each use: the view must be gone before the interpreter runs.
        return memoryview(self._interpreter.tensor(self._index[name])()).cast("B")


class EdgeTpu(Runtime):
    name = "edgetpu"
    runtime = "tflite"
    formats = ("tflite",)
    provider = "edgetpu"
    exclusive = True

    def __init__(self):
        self._interpreter, load_delegate, self.version = find_interpreter()
        try:
            # It opens the Edge TPU: without one it fails here.
            self._delegate = load_delegate(LIBRARY)
        except OSError as error:
            missing(LIBRARY, "apt-get install libedgetpu1-std (%s)" % error)
        except ValueError as error:
            raise SystemExit("the Edge TPU cannot be used: %s" % error)

    def load(self, file, format, prepared, threads):
        with open(file, "rb") as model:
            content = model.read()
        # The identifier of its FlatBuffer.
        if content[4:8] != b"TFL3":
            raise Refusal("model-refused", "%s is no TFLite file" % file)
        interpreter = self._interpreter(
            model_content=content, experimental_delegates=[self._delegate], num_threads=threads
        )
        interpreter.allocate_tensors()
        return EdgeTpuModel(interpreter, COMPILED in content)


if __name__ == "__main__":
    serve(EdgeTpu)
