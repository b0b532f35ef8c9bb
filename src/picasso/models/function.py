"""Any Python callable as a model: a black box that maps (n, h, w, c), or clips, to (n, classes)."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ModelOutputError
from picasso.core.facts import Facts
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.models import opened
from picasso.models.readout import Readout, find_readout


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: any callable that no framework claims."""
    framework = any(
        base.__module__.split(".")[0] in ("torch", "keras", "tensorflow", "tf_keras") for base in type(source).__mro__
    )
    return callable(source) and not framework and not inspect.isclass(source)


def open_model(source: Callable[[Array], Any], hooks: ModelFile, options: Options) -> Model:
    """Open a callable on float32 (n, h, w, c) arrays that returns scores or probabilities (n, classes).

    Where `hooks.frames` is set it gets (n, frames, h, w, c).
    """
    notes: list[str] = []
    shape = opened.declared_shape(hooks)
    if shape is None:
        hooks.preprocessing, assumed = opened.assumed_preprocessing(224, 3)
        shape = hooks.preprocessing.shape
        notes.append(assumed)
    clip = () if hooks.frames is None else (hooks.frames,)
    with Model.running("The function"):
        raw = named_arrays(source(opened.probe((*clip, *shape))))
    readout = find_readout(raw, shape, hooks, options.output)
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=_digest(source, hooks, raw),
        size=0,
        notes=(*notes, readout.note),
        task=readout.task,
        frames=hooks.frames,
    )
    return FunctionModel(source, readout, facts, hooks, options)


class FunctionModel(Model):
    """A black box: it predicts, and that is all."""

    framework: ClassVar[str] = "function"

    def __init__(
        self,
        function: Callable[[Array], Any],
        readout: Readout,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size)
        self._function = function
        self._readout = readout

    def origin(self) -> str:
        return _digest(self._function, self.hooks, self._ask())

    def _ask(self) -> dict[str, Array]:
        with self.running("The function"):
            return named_arrays(self._function(opened.probe(self.x_shape)))

    def _outputs(self, x: Array) -> dict[str, Array]:
        outputs = self._readout.read(named_arrays(self._function(x)))
        for values in outputs.values():
            if len(values) != len(x) or values.shape[-1] not in (4, self._readout.columns):
                raise ModelOutputError(
                    f"The function returned shape {values.shape}; it must be ({len(x)}, {self._readout.columns})."
                )
        return outputs


def named_arrays(answer: Any) -> dict[str, Array]:
    """Return the arrays that a function returned, by name: keys, places, or "output"."""
    if isinstance(answer, dict):
        return {str(key): np.asarray(part, dtype=np.float32) for key, part in answer.items()}
    if isinstance(answer, tuple):
        return {str(place): np.asarray(part, dtype=np.float32) for place, part in enumerate(answer)}
    return {"output": np.asarray(answer, dtype=np.float32)}


def _digest(function: Callable[[Array], Any], hooks: ModelFile, raw: dict[str, Array]) -> str:
    """Digest a callable: the code that makes it, and its answer to the probe, in which its weights show."""
    try:
        source = hooks.source_digest or inspect.getsource(function)
    except (OSError, TypeError):
        source = f"{type(function)}{id(function)}"
    return hashlib.sha256(source.encode() + b"".join(answer.tobytes() for answer in raw.values())).hexdigest()
