"""A client of the Open Inference Protocol over HTTP: bounded in time, size, retries and requests at a time."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

from picasso.core.errors import ConfigurationError, ModelFailedError, ModelOutputError
from picasso.core.preprocessing import Array
from picasso.models.endpoint.tensors import TensorSpec, from_json, to_json

TIMEOUT = 60.0
"""Seconds that an answer may take, where PICASSO_ENDPOINT_TIMEOUT does not say."""
CONNECT = 10.0
"""Seconds that a connection may take at most."""
CONCURRENCY = 4
"""Requests at a time, where PICASSO_ENDPOINT_CONCURRENCY does not say."""
RETRIES = 4
"""How often a request is sent again, after 0.2, 0.4, 0.8 and 1.6 seconds, where the server is busy or gone."""
FIRST_PAUSE = 0.2
MOST_BYTES = 2**29
"""Bytes of one answer at most."""
_PASSING = (502, 503, 504, 429)
_TOO_LARGE = (413, 400, 422, 500)
"""Answers after which a batch of several pictures is halved: servers disagree on how to say that it is too large."""


class _TooLargeError(Exception):
    """The server refused a request of several pictures."""


class Client:
    """Speaks with one model behind an endpoint.

    Args:
        url: http://host:port/v2/models/NAME, perhaps with /versions/V.

    Raises:
        ConfigurationError: The environment holds an unusable timeout or concurrency.
    """

    def __init__(self, url: str) -> None:
        import httpx

        parts = urlsplit(url)
        # A password in the address is sent as HTTP has it, and kept out of every message.
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._binary = False
        self.concurrency = int(_number("PICASSO_ENDPOINT_CONCURRENCY", CONCURRENCY, whole=True))
        seconds = _number("PICASSO_ENDPOINT_TIMEOUT", TIMEOUT)
        token = os.environ.get("PICASSO_ENDPOINT_TOKEN", "").strip()
        if not token.isascii() or not token.isprintable():
            raise ConfigurationError("PICASSO_ENDPOINT_TOKEN holds characters that no header may hold.")
        self._seconds = seconds
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            auth=(parts.username or "", parts.password or "") if parts.username and not token else None,
            timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT)),
            limits=httpx.Limits(max_connections=self.concurrency),
            follow_redirects=False,
        )

    def metadata(self) -> dict[str, Any]:
        """Return what the server says of the model.

        Raises:
            ModelFailedError: It cannot be reached, there is no such model, or it is not ready.
            ModelOutputError: It does not speak the protocol.
        """
        status, _, body = self._send("GET", self.url)
        if status == 404:
            raise ModelFailedError(
                f"The endpoint has no model at {self.url}.", "Check the model's name and version in the address."
            )
        self._refuse(status, body)
        metadata = _json(body, "metadata")
        ready, _, _ = self._send("GET", f"{self.url}/ready")
        # A server without that question is taken at its metadata's word.
        if ready in (400, 409, *_PASSING):
            raise ModelFailedError(
                f"The model at {self.url} is not ready.", "Wait until the server has loaded it, and try again."
            )
        self._binary = self._takes_bytes()
        return metadata

    def infer_all(
        self, requests: Sequence[list[tuple[TensorSpec, Any]]], outputs: Sequence[str], sure: bool
    ) -> list[dict[str, Array]] | None:
        """Ask about several batches, a few at a time; answers come in the order of the requests.

        Args:
            requests: The inputs of each batch.
            outputs: Names of the outputs; none for all.
            sure: Whether the server has taken as many pictures before; else the first batch is sent alone.

        Returns:
            The outputs by name for each request; None where the server refused one of several pictures for its size.
        """
        try:
            if len(requests) == 1:
                return [self._infer(requests[0], outputs)]
            alone = 0 if sure else 1
            answers = [self._infer(request, outputs) for request in requests[:alone]]
            with ThreadPoolExecutor(min(self.concurrency, len(requests))) as pool:
                running = [pool.submit(self._infer, request, outputs) for request in requests[alone:]]
                try:
                    return answers + [future.result() for future in running]
                finally:
                    for future in running:
                        future.cancel()
        except _TooLargeError:
            return None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _infer(self, tensors: list[tuple[TensorSpec, Any]], outputs: Sequence[str]) -> dict[str, Array]:
        count = len(tensors[0][1])
        written = [to_json(spec, values, self._binary) for spec, values in tensors]
        request: dict[str, Any] = {"inputs": [described for described, _ in written]}
        if outputs:
            wanted = {"parameters": {"binary_data": True}} if self._binary else {}
            request["outputs"] = [{"name": name, **wanted} for name in outputs]
        head = json.dumps(request, allow_nan=False).encode()
        tail = b"".join(data for _, data in written)
        headers = {"Content-Type": "application/json"}
        if self._binary:
            headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        status, answered, body = self._send("POST", f"{self.url}/infer", head + tail, headers)
        if status in _TOO_LARGE and count > 1:
            raise _TooLargeError
        self._refuse(status, body)
        cut = answered.get("inference-header-content-length", "")
        length = int(cut) if cut.isdigit() else len(body)
        answer = _json(body[:length], "answer")
        return from_json(answer.get("outputs"), body[length:])

    def _takes_bytes(self) -> bool:
        """Say whether the server says that tensors may travel as bytes instead of as JSON."""
        root = self.url[: self.url.index("/v2/models/") + len("/v2")]
        status, _, body = self._send("GET", root)
        try:
            said = json.loads(body) if status == 200 else {}
        except (ValueError, RecursionError):
            return False
        return isinstance(said, dict) and "binary_tensor_data" in (said.get("extensions") or ())

    def _send(
        self, method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        """Send a request, again after a pause where the server is busy or the connection broke; bounded in all.

        Raises:
            ModelFailedError: No answer came, or one that leads elsewhere.
            ModelOutputError: The answer is too large.
        """
        import httpx

        problem = ""
        for attempt in range(RETRIES + 1):
            if attempt:
                # A little of chance, so that requests that failed together do not come back together.
                time.sleep(FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
            try:
                with self._http.stream(method, url, content=body, headers=headers) as response:
                    if response.is_redirect:
                        raise self._elsewhere(response.headers.get("location", ""))
                    content = self._bounded(response, time.monotonic() + self._seconds)
                    if response.status_code not in _PASSING or attempt == RETRIES:
                        return response.status_code, response.headers, content
            except httpx.TimeoutException:
                # Not sent again: a server that is too slow would only get more to do.
                raise ModelFailedError(
                    f"The endpoint {self._host} did not answer in time (after {self._seconds:g} s).",
                    "Set PICASSO_ENDPOINT_TIMEOUT to more seconds, or use a smaller batch.",
                ) from None
            except httpx.InvalidURL as error:
                raise ConfigurationError(f"{self.url} is no address: {error}.") from None
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
        raise ModelFailedError(
            f"The endpoint {self._host} cannot be reached: {problem.rstrip('.')}.",
            "Check the address, and that the server is running.",
        )

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc

    def _bounded(self, response: Any, until: float) -> bytes:
        import httpx

        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if time.monotonic() > until:  # a server that sends a little at a time
                raise httpx.ReadTimeout("")
            if size > MOST_BYTES:
                raise ModelOutputError(
                    f"The endpoint's answer is larger than {MOST_BYTES >> 20} MiB.",
                    "Choose one output, or less pictures.",
                )
            parts.append(part)
        return b"".join(parts)

    def _elsewhere(self, location: str) -> ModelFailedError:
        target = urlsplit(location)
        plain = quote(f"{target.scheme}://{target.hostname}{target.path}" if target.hostname else target.path, ":/")
        return ModelFailedError(
            f"The endpoint {self._host} redirects to {plain[:200]}; redirects are not followed.",
            "Give the address to which it leads, if you trust it.",
        )

    def _refuse(self, status: int, body: bytes) -> None:
        if status == 200:
            return
        said = _said(body)
        if status in (401, 403):
            raise ModelFailedError(
                f"The endpoint {self._host} refuses access (HTTP {status}).",
                "Set PICASSO_ENDPOINT_TOKEN to a token that may use the model.",
            )
        if status in _PASSING:
            raise ModelFailedError(
                f"The endpoint {self._host} is not ready (HTTP {status}){said}.", "Try again when it is less busy."
            )
        raise ModelFailedError(
            f"The endpoint {self._host} refused (HTTP {status}){said}.", "Check the model's inputs in its metadata."
        )


def _said(body: bytes) -> str:
    """Return what a server said of its refusal, ready to follow a sentence."""
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    line = " ".join(str(error).split())[:200].rstrip(".") if error else ""
    return f": {line}" if line else ""


def _json(body: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelOutputError(
            f"The endpoint's {what} is no JSON object.", "It must speak the Open Inference Protocol (KServe v2)."
        )
    return value


def _number(name: str, otherwise: float, whole: bool = False) -> float:
    text = os.environ.get(name, "").strip()
    try:
        value = float(text) if text else float(otherwise)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6 or (whole and value != int(value)):
        kind = "whole number" if whole else "number of seconds"
        raise ConfigurationError(f"{name} must be a {kind} above 0. Got '{text[:40]}'.")
    return value
