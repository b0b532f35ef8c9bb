"""A model behind an HTTP endpoint that speaks the Open Inference Protocol (KServe v2): a black box."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ConfigurationError, MissingExtraError, ModelOutputError
from picasso.core.facts import Facts
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.models import opened
from picasso.models.endpoint.client import Client
from picasso.models.endpoint.tensors import TensorSpec, fill, find_input, input_specs, lay, output_names, spatial_shape
from picasso.models.readout import Readout, find_readout

PICTURES = 8
"""Pictures for one request, where the user does not say."""
_ADDRESS = re.compile(r"https?://[^/\s]+(/.*)?/v2/models/[^/?#]+(/versions/[^/?#]+)?/?(infer|ready)?$", re.IGNORECASE)


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: http://host:port/v2/models/NAME, perhaps with /versions/V."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def open_model(source: str, hooks: ModelFile, options: Options) -> Model:
    """Open a model behind an endpoint.

    The environment decides what belongs to the place and not to the model: PICASSO_ENDPOINT_TOKEN is sent as a bearer
    token, to that host alone; PICASSO_ENDPOINT_TIMEOUT is how many seconds an answer may take (60 by default);
    PICASSO_ENDPOINT_CONCURRENCY how many requests run at a time (4 by default).

    Args:
        source: http://host:port/v2/models/NAME, perhaps with /versions/V.
        hooks: The user's choices.
        options: Batch size, the input and the output by name, what other inputs get, name.

    Raises:
        MissingExtraError: httpx is not installed.
        ConfigurationError: The address is none of the protocol.
        ModelFailedError: The endpoint cannot be reached, is not ready, or refuses.
    """
    if importlib.util.find_spec("httpx") is None:
        raise MissingExtraError("httpx is not installed.", "Install it with: pip install 'picasso[endpoint]'")
    if not _ADDRESS.fullmatch(source):
        raise ConfigurationError(
            f"{_without_secrets(source)} is no address of a model.", "Give http://host:port/v2/models/NAME."
        )
    client = Client(re.sub(r"/(infer|ready)?$", "", source))
    try:
        return _opened(client, hooks, options)
    except BaseException:
        client.close()
        raise


def _opened(client: Client, hooks: ModelFile, options: Options) -> Model:
    metadata = client.metadata()
    specs = input_specs(metadata)
    image = find_input(specs, options.input)
    held = {spec.name: fill(spec, options.hold) for spec in specs if spec.name != image.name}
    notes: list[str] = []
    shape = opened.declared_shape(hooks)
    if shape is None:
        shape, said = spatial_shape(image)
        notes += said
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        hooks.preprocessing, note = opened.assumed_preprocessing(shape[:2], shape[2])
        if image.is_whole:
            hooks.preprocessing = hooks.preprocessing.model_copy(update={"scale": 1.0})
            note = f"Preprocessing was not declared; the endpoint reads {image.datatype}, so 0..255 is assumed."
        notes.append(note)
    at_most = options.batch_size or PICTURES
    remote = Remote(client, image, held, output_names(metadata), at_most)
    with Model.running("The endpoint"):
        raw = remote.ask(_probe(image, shape))
    readout = find_readout(raw, shape, hooks, options.output, channels_first=image.channels_first(shape))
    asked = [name for name in readout.names if name in remote.outputs]
    remote.outputs = asked or remote.outputs
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=_digest(client.url, metadata, raw),
        size=0,
        notes=(*notes, readout.note),
        task=readout.task,
    )
    return EndpointModel(remote, readout, facts, hooks, options)


class Remote:
    """Asks an endpoint about pictures.

    Args:
        client: Speaks with it.
        image: The input that reads pictures.
        held: What the other inputs get, for one picture.
        outputs: Names of the outputs that are asked for; none for all.
        at_most: Pictures for one request at most.
    """

    def __init__(
        self,
        client: Client,
        image: TensorSpec,
        held: dict[str, tuple[TensorSpec, Any]],
        outputs: list[str],
        at_most: int,
    ) -> None:
        self.client = client
        self.outputs = outputs
        self._image = image
        self._held = held
        self._fixed = image.fixed_batch
        self._largest = at_most
        self._taken = 0

    def ask(self, x: Array) -> dict[str, Array]:
        """Return the outputs for pictures (n, h, w, c), by name, a few requests at a time.

        What the server refuses for its size is halved; what it took is remembered.
        """
        while True:
            size = self._fixed or min(self._largest, len(x))
            parts = [x[start : start + size] for start in range(0, len(x), size)]
            answers = self.client.infer_all([self._tensors(part) for part in parts], self.outputs, size <= self._taken)
            if answers is not None:
                self._taken = max(self._taken, size)
                break
            if self._fixed:
                raise ModelOutputError(
                    f"The endpoint says that it takes {size} pictures at a time, and refuses {size}.",
                    "Look into the server's log.",
                )
            self._largest = max(1, size // 2)
        rows = [
            {name: _checked(name, answer, self._fixed or len(part))[: len(part)] for name, answer in found.items()}
            for part, found in zip(parts, answers, strict=True)
        ]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def _tensors(self, x: Array) -> list[tuple[TensorSpec, Any]]:
        if self._fixed and len(x) < self._fixed:
            x = np.concatenate([x, np.repeat(x[-1:], self._fixed - len(x), axis=0)])
        held = [
            (spec, np.repeat(value[None], len(x), axis=0) if spec.batched else value)
            for spec, value in self._held.values()
        ]
        return [(self._image, lay(self._image, x)), *held]


class EndpointModel(Model):
    """A black box behind HTTP: it predicts, and that is all."""

    framework: ClassVar[str] = "endpoint"
    packages: ClassVar[tuple[str, ...]] = ("httpx",)

    def __init__(self, remote: Remote, readout: Readout, facts: Facts, hooks: ModelFile, options: Options) -> None:
        # A batch is what runs at a time: several requests.
        batch = (options.batch_size or PICTURES) * remote.client.concurrency
        super().__init__(facts, hooks, options.name, batch)
        self.remote = remote
        self._readout = readout

    def _outputs(self, x: Array) -> dict[str, Array]:
        raw = self.remote.ask(x)
        missing = [name for name in self._readout.names if name not in raw]
        if missing:
            raise ModelOutputError(
                f"The endpoint's answer lacks the output '{missing[0]}'.", "Open it again: the model has changed."
            )
        outputs = self._readout.read(raw)
        for values in outputs.values():
            if values.shape[-1] not in (4, self.facts.columns):
                raise ModelOutputError(
                    f"The endpoint returned shape {values.shape}; it returned {self.facts.columns} columns before.",
                    "Open it again: the model has changed.",
                )
        return outputs

    def close(self) -> None:
        self.remote.client.close()


def _probe(image: TensorSpec, shape: tuple[int, int, int]) -> Array:
    """Return the probe; for whole numbers, pictures of noise: there is nothing absurd in 0..255."""
    x = opened.probe(shape)
    return np.abs(x * 60) % 256 if image.is_whole else x


def _checked(name: str, answer: Array, count: int) -> Array:
    if answer.ndim == 0 or len(answer) != count:
        raise ModelOutputError(
            f"The endpoint returned shape {answer.shape} as '{name}' for {count} pictures.",
            "Its first axis must be that of the pictures.",
        )
    return answer


def _digest(url: str, metadata: dict[str, Any], raw: dict[str, Array]) -> str:
    """Digest the address, what the server says of the model, and its answer to the probe, taken once."""
    said = json.dumps([url, metadata], sort_keys=True, default=str)
    parts = [f"{name}{answer.shape}".encode() + answer.tobytes() for name, answer in sorted(raw.items())]
    return hashlib.sha256(said.encode() + b"".join(parts)).hexdigest()


def _without_secrets(source: str) -> str:
    """Return an address without what may hold a password or a key."""
    return re.sub(r"//[^/@]*@", "//", source).partition("?")[0][:120]
