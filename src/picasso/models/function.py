"""Any Python callable as a model: a black box that maps (n, h, w, c) to (n, classes)."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ModelOutputError
from picasso.core.hooks import Head, ModelFile
from picasso.core.model import Facts, Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.core.targets import SCORES
from picasso.models import opened


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: any callable that no framework claims."""
    framework = any(
        base.__module__.split(".")[0] in ("torch", "keras", "tensorflow", "tf_keras") for base in type(source).__mro__
    )
    return callable(source) and not framework and not inspect.isclass(source)


def open_model(source: Callable[[Array], Any], hooks: ModelFile, options: Options) -> Model:
    """Open a callable on float32 (n, h, w, c) arrays that returns scores or probabilities (n, classes)."""
    notes: list[str] = []
    shape = opened.declared_shape(hooks)
    if shape is None:
        hooks.preprocessing, assumed = opened.assumed_preprocessing(224, 3)
        shape = hooks.preprocessing.shape
        notes.append(assumed)
    with Model.running("The function"):
        answer = _columns(source(opened.probe(shape)))
    opened.check_answer(answer)
    chosen = Head(hooks.head) if hooks.head else None
    head, units, note = opened.find_head(answer, chosen)
    convert = opened.probability_to_score(head) if units == "probability" else None
    if convert:
        units = "log probability" if head is Head.SOFTMAX else "logit"
    facts = Facts(shape, answer.shape[1], head, units, _digest(source, hooks, answer), 0, (*notes, note))
    return FunctionModel(source, convert, facts, hooks, options)


class FunctionModel(Model):
    """A black box: it predicts, and that is all."""

    framework: ClassVar[str] = "function"

    def __init__(
        self,
        function: Callable[[Array], Any],
        convert: Callable[[Array], Array] | None,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size)
        self._function = function
        self._convert = convert

    def _outputs(self, x: Array) -> dict[str, Array]:
        scores = _columns(self._function(x))
        if scores.ndim != 2 or scores.shape[1] != self.facts.columns:
            raise ModelOutputError(
                f"The function returned shape {scores.shape}; it must be ({len(x)}, {self.facts.columns})."
            )
        return {SCORES: self._convert(scores) if self._convert else scores}


def _columns(answer: Any) -> Array:
    """Return what a function returned as (n, columns); one number for each picture is one column."""
    scores = np.asarray(answer, dtype=np.float32)
    return scores[:, None] if scores.ndim == 1 else scores


def _digest(function: Callable[[Array], Any], hooks: ModelFile, answer: Array) -> str:
    """Digest a callable: the file that makes it and its answer to the probe, in which its weights show.

    A live callable may change in ways that nobody can see, so another object is another model.
    """
    if hooks.source_digest:
        return hashlib.sha256(hooks.source_digest.encode() + answer.tobytes()).hexdigest()
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = repr(type(function))
    return hashlib.sha256(f"{source}{id(function)}".encode()).hexdigest()
