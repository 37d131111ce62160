"""What the sidecars in Python share: the protocol of docs/sidecars.md, on the standard library alone.

A sidecar makes a Runtime of its vendor's package and calls serve() with it.
"""

import json
import os
import socket
import struct
import sys
import threading

SOCKET = 3
PROTOCOL = 1
MOST_HEAD_BYTES = 1024 * 1024
MOST_BODY_BYTES = 256 * 1024 * 1024
ALIVE_SECONDS = 1

ELEMENT_BYTES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "bool": 1,
}


class Refusal(Exception):
    """Something that was asked for cannot be done; the sidecar goes on. `code` is one of the protocol's."""

    def __init__(self, code, words):
        super().__init__(words)
        self.code = code


class NoMessage(Exception):
    """What came is no message: nothing that follows can be read."""


class Port:
    """An input or output of a model. In `shape` -1 stands for any size.

    Of a quantised one a number is (element - zero_point) * scale.
    """

    def __init__(self, name, type, shape, scale=None, zero_point=0):
        self.name = name
        self.type = type
        self.shape = [int(size) for size in shape]
        self.scale = scale
        self.zero_point = zero_point

    def head(self):
        head = {"name": self.name, "type": self.type, "shape": self.shape}
        if self.scale is not None:
            head.update(scale=float(self.scale), zeroPoint=int(self.zero_point))
        return head

    def takes(self, type, shape):
        return (
            type == self.type
            and len(shape) == len(self.shape)
            and all(own in (-1, given) for own, given in zip(self.shape, shape))
        )

    def __str__(self):
        return "%s of %s" % (self.type, "×".join(str(size) for size in self.shape))


class Model:
    """A loaded model. A sidecar sets these, and says in `run` what it gives."""

    inputs = ()
    outputs = ()
    effective = ""
    # Why `effective` is not what the runtime means to run on.
    reason = None

    def run(self, inputs, wanted):
        """
        inputs: by name, pairs of shape and bytes; they fit the ports
        wanted: names of outputs
        returns, for each of them, a pair of shape and bytes-like elements
        """
        raise NotImplementedError


class Runtime:
    """What runs models, as the hello says it. A sidecar sets these, and loads."""

    name = ""
    runtime = ""
    version = ""
    formats = ()
    provider = ""
    # Only one process can use the accelerator at a time.
    exclusive = False
    # Formats of which it builds, on the device, what it then loads.
    prepares = ()

    def load(self, file, format, prepared, threads):
        """Returns a Model. Raises Refusal("model-refused", …), or whatever the vendor's package raises."""
        raise NotImplementedError

    def prepare(self, file, format, precision, into):
        """Writes what it builds of `file` to `into`. Raises Refusal("prepare-failed", …), or what the package raises."""
        raise Refusal("request-unknown", "this sidecar prepares nothing")


def missing(package, install):
    """Ends the sidecar: it cannot run here. What it says is what the operator reads."""
    sys.exit("%s is missing: %s" % (package, install))


def bytes_in(type, shape):
    length = ELEMENT_BYTES[type]
    for size in shape:
        length *= size
    return length


class Connection:
    """The sidecar's end of the socket."""

    def __init__(self, connection):
        self._socket = connection
        # The thread that says that it is at work speaks on the same socket.
        self._lock = threading.Lock()

    def read(self):
        """The next head and body; None where the agent has closed the connection. Raises NoMessage."""
        prefix = self._take(8, may_end=True)
        if prefix is None:
            return None
        head_length, body_length = struct.unpack("<II", prefix)
        # Before memory is taken for them.
        if not 2 <= head_length <= MOST_HEAD_BYTES or body_length > MOST_BODY_BYTES:
            raise NoMessage("its lengths are %d and %d" % (head_length, body_length))
        head = self._take(head_length)
        body = self._take(body_length)
        try:
            request = json.loads(head.decode("utf-8"))
        except ValueError as error:
            raise NoMessage(str(error)) from error
        if not isinstance(request, dict):
            raise NoMessage("its head is no object")
        return request, memoryview(body)

    def say(self, head, tensors=()):
        encoded = json.dumps(head).encode("utf-8")
        views = [memoryview(tensor).cast("B") for tensor in tensors]
        prefix = struct.pack("<II", len(encoded), sum(len(view) for view in views))
        with self._lock:
            self._socket.sendall(prefix + encoded)
            for view in views:
                self._socket.sendall(view)

    def _take(self, length, may_end=False):
        taken = bytearray(length)
        view = memoryview(taken)
        start = 0
        while start < length:
            count = self._socket.recv_into(view[start:])
            if count == 0:
                if may_end and start == 0:
                    return None
                raise NoMessage("the connection ended in the middle of a message")
            start += count
        return taken


class _Alive:
    """Says every second that the sidecar is at work, for as long as it is entered."""

    def __init__(self, connection):
        self._connection = connection
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _speak(self):
        while not self._done.wait(ALIVE_SECONDS):
            self._connection.say({"kind": "alive"})


class _Sidecar:
    def __init__(self, connection, make_runtime):
        self._connection = connection
        self._make_runtime = make_runtime
        self._runtime = None
        self._models = {}

    def serve(self):
        while True:
            message = self._connection.read()
            if message is None:
                return
            request, body = message
            id = request.get("id")
            try:
                self._answer(request, id, body)
            except Refusal as refusal:
                words = str(refusal)[:4000] or "it does not say why"
                self._connection.say({"kind": "error", "id": id, "code": refusal.code, "words": words})

    def _answer(self, request, id, body):
        kind = request.get("kind")
        if kind == "hello":
            self._connection.say(dict(self._hello(request), id=id))
        elif kind == "ping":
            self._connection.say({"kind": "pong", "id": id})
        elif kind == "load":
            with _Alive(self._connection):
                loaded = self._load(request)
            self._connection.say(dict(loaded, id=id))
        elif kind == "run":
            heads, tensors = self._run(request, body)
            self._connection.say({"kind": "ran", "id": id, "outputs": heads}, tensors)
        elif kind == "prepare":
            with _Alive(self._connection):
                self._prepare(request)
            self._connection.say({"kind": "prepared", "id": id})
        else:
            raise Refusal("request-unknown", "this sidecar does not know a request %r" % (kind,))

    def _of(self):
        if self._runtime is None:
            self._runtime = self._make_runtime()
        return self._runtime

    def _hello(self, request):
        if request.get("protocol") != PROTOCOL:
            raise Refusal("protocol-unsupported", "this sidecar speaks protocol %d" % PROTOCOL)
        runtime = self._of()
        hello = {
            "kind": "hello",
            "protocol": PROTOCOL,
            "name": runtime.name,
            "runtime": runtime.runtime,
            "version": runtime.version,
            "formats": list(runtime.formats),
            "provider": runtime.provider,
        }
        if runtime.exclusive:
            hello["exclusive"] = True
        if runtime.prepares:
            hello["prepares"] = list(runtime.prepares)
        return hello

    def _load(self, request):
        file = request["file"]
        if not os.path.isfile(file):
            raise Refusal("model-refused", "there is no file %s" % file)
        try:
            model = self._of().load(file, request["format"], request["prepared"], request["threads"])
        except Refusal:
            raise
        except Exception as error:
            raise Refusal("model-refused", "%s: %s" % (type(error).__name__, error)) from error
        self._models[request["model"]] = model
        loaded = {
            "kind": "loaded",
            "effective": model.effective,
            "inputs": [port.head() for port in model.inputs],
            "outputs": [port.head() for port in model.outputs],
        }
        if model.reason is not None:
            loaded["reason"] = model.reason
        return loaded

    def _run(self, request, body):
        model = self._models.get(request["model"])
        if model is None:
            raise Refusal("model-unknown", "no model %s is loaded" % (request["model"],))
        ports = {port.name: port for port in model.inputs}
        inputs = {}
        start = 0
        for head in request["inputs"]:
            name, element, shape = head["name"], head["type"], head["shape"]
            port = ports.get(name)
            if port is None:
                raise Refusal("tensor-refused", "the model has no input %s" % name)
            if not port.takes(element, shape):
                got = "%s of %s" % (element, "×".join(str(size) for size in shape))
                raise Refusal("tensor-refused", "%s takes %s, got %s" % (name, port, got))
            end = start + bytes_in(element, shape)
            if end > len(body):
                raise Refusal("tensor-refused", "the body ends before %s does" % name)
            inputs[name] = (shape, body[start:end])
            start = end
        if start != len(body):
            raise Refusal("tensor-refused", "%d bytes too many" % (len(body) - start))
        lacking = [name for name in ports if name not in inputs]
        if lacking:
            raise Refusal("tensor-refused", "the model also takes %s" % ", ".join(lacking))
        outputs = {port.name: port for port in model.outputs}
        unknown = [name for name in request["outputs"] if name not in outputs]
        if unknown:
            raise Refusal("tensor-refused", "the model does not give %s" % ", ".join(unknown))
        try:
            results = model.run(inputs, request["outputs"])
        except Refusal:
            raise
        except Exception as error:
            raise Refusal("run-failed", "%s: %s" % (type(error).__name__, error)) from error
        heads = [
            {"name": name, "type": outputs[name].type, "shape": [int(size) for size in shape]}
            for name, (shape, _) in zip(request["outputs"], results)
        ]
        return heads, [elements for _, elements in results]

    def _prepare(self, request):
        into = request["into"]
        draft = into + ".new"
        try:
            self._of().prepare(request["file"], request["format"], request["precision"], draft)
            # Whole or not at all.
            os.replace(draft, into)
        except Refusal:
            raise
        except Exception as error:
            raise Refusal("prepare-failed", "%s: %s" % (type(error).__name__, error)) from error
        finally:
            if os.path.exists(draft):
                os.remove(draft)


def serve(make_runtime):
    """Answers the agent until it closes the connection.

    make_runtime: makes the Runtime, at the hello; what it raises ends the sidecar, and the agent tells it
    """
    # What a vendor's library prints is for people, and the socket is for the agent.
    with socket.socket(fileno=SOCKET) as connection:
        try:
            _Sidecar(Connection(connection), make_runtime).serve()
        except NoMessage as error:
            sys.exit("what came is no message: %s" % error)
    # Not left to the vendor's threads.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
