"""A real HTTP server of the Open Inference Protocol on 127.0.0.1, with a small NumPy network, and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

TYPES = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1", "INT64": "<i8"}
WEIGHTS = np.random.default_rng(5).normal(size=(2 * 2 * 3, 4)).astype(np.float32)


def scores(x: np.ndarray) -> np.ndarray:
    """The network, on (n, h, w, 3): the means of four quarters, and a linear layer."""
    n, height, width, _ = x.shape
    quarters = x.reshape(n, 2, height // 2, 2, width // 2, 3).mean((2, 4), dtype=np.float64)
    return (quarters.reshape(n, -1) @ WEIGHTS).astype(np.float32)


@dataclass
class Served:
    """What the server does, and what it has seen.

    Args:
        datatype, shape: Of its input, as its metadata says; channels first where the second side is 3.
        binary: Whether it takes tensors as bytes, and says so.
        most: Pictures that it takes at a time.
        too_many: How it says that there are more.
        faults: HTTP codes of the next answers to questions for inference; None for an answer.
        token: The bearer token that it demands, or "".
        answer: Takes the answer's JSON and returns what is sent instead.
        slow: Seconds before each answer.
        trickle: Seconds between the bytes of an answer.
    """

    datatype: str = "FP32"
    shape: tuple[int, ...] = (-1, 3, 8, 8)
    binary: bool = False
    most: int = 100
    too_many: int = 413
    faults: list[int] = field(default_factory=list)
    token: str = ""
    answer: Any = None
    slow: float = 0.0
    trickle: float = 0.0
    ready: int = 200
    location: str = ""
    more_inputs: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    seen: list[tuple[str, int]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    running: int = 0
    at_once: int = 0
    inputs: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/models/net"

    def metadata(self) -> dict[str, Any]:
        image = {"name": "image", "datatype": self.datatype, "shape": list(self.shape)}
        return {
            "name": "net",
            "versions": ["1"],
            "platform": "numpy",
            "inputs": [image, *self.more_inputs],
            "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 4]}],
        }


class _Handler(BaseHTTPRequestHandler):
    served: Served
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        served = self.served
        served.tokens.add(self.headers.get("Authorization", ""))
        if served.token and self.headers.get("Authorization") != f"Bearer {served.token}":
            return self._say(401, {"error": "no token"})
        if self.path == "/v2":
            return self._say(200, {"name": "test", "extensions": ["binary_tensor_data"] if served.binary else []})
        if served.location:
            return self._say(307, {}, {"Location": served.location})
        if self.path in ("/v2/models/net", "/v2/models/net/versions/1"):
            return self._say(200, served.metadata())
        if self.path == "/v2/models/net/ready":
            return self._say(served.ready, {})
        return self._say(404, {"error": "unknown model"})

    def do_POST(self) -> None:
        served = self.served
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            served.running += 1
            served.at_once = max(served.at_once, served.running)
        try:
            time.sleep(served.slow)
            self._infer(body)
        finally:
            with self.lock:
                served.running -= 1

    def _infer(self, body: bytes) -> None:
        served = self.served
        cut = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        request, tail = json.loads(body[:cut]), body[cut:]
        start = 0
        arrays = {}
        for tensor in request["inputs"]:
            dtype = TYPES[tensor["datatype"]]
            size = tensor.get("parameters", {}).get("binary_data_size")
            if size is None:
                values = np.array(tensor["data"]).astype(dtype)
            else:
                values, start = np.frombuffer(tail[start : start + size], dtype), start + size
            arrays[tensor["name"]] = values.reshape(tensor["shape"])
        x = arrays["image"]
        with self.lock:
            served.seen.append((self.path, len(x)))
            served.inputs = arrays
            fault = served.faults.pop(0) if served.faults else 0
        if fault:
            return self._say(fault, {"error": "a fault of the test.\nsecond line"})
        if len(x) > served.most:
            return self._say(served.too_many, {"error": "too many pictures"})
        channels_first = served.shape[-3] == 3
        values = scores((np.moveaxis(x, 1, -1) if channels_first else x).astype(np.float32))
        if served.answer is not None:
            return self._say(200, served.answer(values))
        output: dict[str, Any] = {"name": "scores", "datatype": "FP32", "shape": list(values.shape)}
        if served.binary and request["outputs"][0]["parameters"]["binary_data"]:
            data = values.astype("<f4").tobytes()
            return self._say(200, {"outputs": [output | {"parameters": {"binary_data_size": len(data)}}]}, tail=data)
        return self._say(200, {"outputs": [output | {"data": values.reshape(-1).tolist()}]})

    def _say(self, code: int, value: Any, headers: dict[str, str] | None = None, tail: bytes = b"") -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        if tail:
            self.send_header("Inference-Header-Content-Length", str(len(body)))
        self.send_header("Content-Length", str(len(body + tail)))
        self.end_headers()
        try:
            for part in [body + tail] if not self.served.trickle else [bytes([byte]) for byte in body + tail]:
                self.wfile.write(part)
                time.sleep(self.served.trickle)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve until the end of the block."""
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
