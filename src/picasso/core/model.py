"""The Model contract: what Picasso asks of a network, whatever framework it comes from.

At every boundary arrays are NumPy float32, channels last: (n, height, width, channels), and for a network of clips
(n, frames, height, width, channels). An adapter in `models/` implements the few abstract methods; everything else is
built on them here, once.
"""

from __future__ import annotations

import copy
import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import (
    ConfigurationError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
    OutOfMemoryError,
    TargetError,
)
from picasso.core.facts import (
    INPUT,
    PLAIN,
    Capability,
    Facts,
    Layer,
    Observed,
    Patching,
    Progress,
    Pullback,
    Quality,
    Rules,
    Task,
)
from picasso.core.focus import Focus, FocusedTarget
from picasso.core.graph import Graph, GraphError
from picasso.core.hooked import Hooked
from picasso.core.hooks import Head, ModelFile, to_probabilities
from picasso.core.layers.attention import Attention
from picasso.core.layers.tokens import last_heard, with_grids
from picasso.core.pictures import clips
from picasso.core.preprocessing import Array
from picasso.core.relevance import Relevance, RelevanceRules
from picasso.core.targets import LAYER, SCORES, Target, make_target

DEFAULT_BATCH = 8
"""Pictures for one forward pass; halved when the device's memory does not suffice."""
_OF_TASKS = frozenset({Capability.SEGMENTATION, Capability.DETECTION})
_OF_LAYERS = frozenset({Capability.PREDICT, Capability.ACTIVATIONS, Capability.GRADIENTS, Capability.RELU_RULES})
"""What can be done where a channel of a layer is explained."""

T = TypeVar("T")


def ignore(done: int, total: int) -> None:
    """Ignore progress."""


class Model(Hooked):
    """A network with its preprocessing, labels and head.

    Args:
        facts: What the adapter found out.
        hooks: The user's own choices and overrides; unset ones are filled in here.
        name: What to call the model.
        batch_size: Pictures for one forward pass at most.

    Attributes:
        files: The files that it was opened from; when one changes, the model must be opened again.
        focus: For a segmenter or detector the part of the picture that it is asked about; see `focused`.
        patching: How the last `predict_patched` found its scores.

    Class attributes:
        framework: What people call it: "PyTorch".
        packages: The packages whose versions go into every record.
        pulls_layers: Whether `_pullback` can begin at a layer, too: where `targets.layer_read` names one, its values,
            channels last, are `outputs[LAYER]`.

    Raises:
        LabelsError: The labels cannot be read, or their number is not that of the classes.
    """

    framework: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    capabilities: frozenset[Capability] = frozenset({Capability.PREDICT})
    pulls_layers: ClassVar[bool] = False

    def __init__(self, facts: Facts, hooks: ModelFile, name: str, batch_size: int | None = None) -> None:
        super().__init__(facts, hooks, name)
        self.batch_size = batch_size or max(1, DEFAULT_BATCH // (facts.frames or 1))
        self.kept_results: dict[str, Any] = {}
        self._default: tuple[tuple[str, ...], Layer | None] | None = None
        self._laid_out_layers: tuple[tuple[Layer, ...], tuple[Layer, ...]] = (), ()
        self.files: tuple[Path, ...] = ()
        self.patching = Patching()
        self._whole: Model | None = None
        own = {Capability(facts.task)} if facts.task is not Task.CLASSIFICATION else set()
        self.capabilities = (self.capabilities - _OF_TASKS) | own

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.x_shape))
        return f"<{self.name}: {self.framework}, {self.facts.task} of {len(self.labels)} classes, input {size}>"

    # --- the network -----------------------------------------------------------------------------------------

    # An adapter implements these for one batch, float32 (n, h, w, c) or for clips (n, frames, h, w, c); the public
    # methods below split and join.

    @abstractmethod
    def _outputs(self, x: Array) -> dict[str, Array]:
        """Return the outputs by name: `SCORES`, or for another task `MASKS`, or `BOXES` and `BOX_SCORES`."""

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of layers, (n, ...), channels last, by name."""
        raise NotSupportedError(f"{self.framework} models do not show their layers.")

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        """Return the outputs of the network and of layers; in one pass where the framework gives both."""
        return Observed(self._outputs(x), self._activations(x, layers))

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        """Run forward once, and backward for all targets; backward stops at `wrt`.

        Backward starts with `targets.seeds(targets, outputs)`.
        """
        raise NotSupportedError(f"{self.framework} models give no gradients.")

    def _backward_batch(self) -> int | None:
        """Return how many pictures are pulled back together at most, where fewer than a batch are faster."""
        return None

    def _swift_pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        """Do what `_pullback` does, in a form of the network that may round otherwise, where there is a faster one."""
        return self._pullback(x, targets, wrt, rules)

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        """Return the outputs by name when a layer returns other values, (n, ...), channels last, than it did."""
        raise NotSupportedError(f"{self.framework} models do not let their layers be replaced.")

    def _relevance(self, x: Array, targets: Sequence[Target], rules: RelevanceRules) -> Relevance:
        """Share the targets' scores out among the numbers of the input, by rules on the network's op graph."""
        raise NotSupportedError(f"{self.framework} models do not show what they are made of.")

    def _attention(self, x: Array, targets: Sequence[Target], early: bool) -> Attention:
        """Return what tokens take from each other, and how the targets move with it, from the network's op graph."""
        raise NotSupportedError(f"{self.framework} models do not show what they are made of.")

    def _layers(self) -> tuple[Layer, ...]:
        """Return the layers in the order of execution; token grids are found by the caller."""
        return ()

    def _with_parameters(self, parameters: Mapping[str, Array]) -> Self:
        """Return a copy of the network, made with `_copied`, in which these parameters have these values."""
        raise NotSupportedError(f"{self.framework} models do not show their parameters.")

    def _at_checkpoint(self, path: Path) -> Self:
        """Return a copy of the network, made with `_copied`, that holds the numbers in a file of its framework."""
        raise NotSupportedError(f"{self.framework} models do not take other parameters from a file.")

    def parameters(self) -> dict[str, Array]:
        """Return what was learned (weights and biases, not the statistics of norms) by name, in the network's order.

        Returns:
            float32, read-only; some may lie where the network itself keeps them. A name begins with its layer's.

        Raises:
            NotSupportedError: The network does not show them.
        """
        raise NotSupportedError(f"{self.framework} models do not show their parameters.")

    def filter_axes(self) -> dict[str, tuple[int, ...]]:
        """Return along which axes of each parameter its filters, or the rows of a matrix, are counted, by name.

        A depthwise kernel has a filter for each channel, a transposed one for each channel that it makes. By default
        filters are counted along the last axis.

        Raises:
            NotSupportedError: The network does not show its parameters.
        """
        return dict.fromkeys(self.whole.parameters(), (-1,))

    def with_parameters(self, parameters: Mapping[str, Array]) -> Self:
        """Return a copy of the network in which some parameters have other values; this one stays as it is.

        Args:
            parameters: float32 by name, of the shapes that `parameters` gives; the others keep their values.

        Raises:
            NotSupportedError: The network does not show its parameters, or cannot be copied.
            NotFoundError: There is no parameter of that name.
            ConfigurationError: One has another shape.
        """
        known = self.whole.parameters()
        for name, value in parameters.items():
            if name not in known:
                raise NotFoundError(f"There is no parameter '{name}'.", f"The first is {next(iter(known), 'none')}.")
            if np.shape(value) != known[name].shape:
                raise ConfigurationError(f"'{name}' must have shape {known[name].shape}. Got {np.shape(value)}.")
        made = self.whole._with_parameters({name: np.asarray(value, np.float32) for name, value in parameters.items()})
        return made if self.focus is None else made.focused(self.focus)  # type: ignore[return-value]

    def at_checkpoint(self, path: str | Path) -> Self:
        """Return the network as it was when a file was saved: its parameters and the statistics of its norms.

        This one stays as it is.

        Args:
            path: A file of weights: a state dict or safetensors for PyTorch, .weights.h5, .h5 or .keras for Keras.

        Raises:
            NotSupportedError: The network takes no parameters from a file, or cannot be copied.
            ModelFileError: It is no such file, is damaged, or holds the weights of another network.
            UnsafeModelError: Reading it would run code that comes with it.
        """
        made = self.whole._at_checkpoint(Path(path))
        return made if self.focus is None else made.focused(self.focus)  # type: ignore[return-value]

    def _copied(self, parameters: Mapping[str, Array], file: str = "") -> Self:
        """Return a shallow copy that shares nothing of what was found out about the numbers of this one.

        Args:
            parameters: Those that have other values.
            file: Digest of the file that holds all of its numbers, or "".
        """
        digest = hashlib.sha256((self.origin() + file).encode())
        for name, value in parameters.items():
            digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
        made = copy.copy(self)
        made.facts = replace(self.facts, origin=digest.hexdigest())
        made.kept_results, made._default, made.patching = {}, None, Patching()
        return made

    def graph(self) -> Graph:
        """Return the network as an op graph, whose outputs are what the network itself returns.

        Raises:
            GraphError: It cannot be written as one.
        """
        raise GraphError(f"{self.framework} models do not show what they are made of.")

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers in the order of execution."""
        found = self._layers()
        if self.facts.frames:  # the tokens of clips lie in time, too
            return found
        if self._laid_out_layers[0] is not found and self._laid_out_layers[0] != found:
            self._laid_out_layers = found, with_grids(found, self.input_shape)
        return self._laid_out_layers[1]

    def activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of layers, (n, ...), channels last, by name.

        Raises:
            NotFoundError: There is no such layer.
        """
        parts = list(self._in_batches(x, lambda batch: self._activations(batch, layers)))
        return {name: np.concatenate([part[name] for part in parts])[: len(x)] for name in layers}

    def observe(self, x: Array, layers: Sequence[str]) -> Observed:
        """Run forward once, and return the network's outputs and those of layers, for a batch of any size.

        Raises:
            NotFoundError: There is no such layer.
            ModelOutputError: The scores are not finite.
        """

        def checked(batch: Array) -> Observed:
            found = self._observed(batch, layers) if layers else Observed(self._outputs(batch), {})
            self._check_outputs(dict(found.outputs), len(batch))
            return found

        parts = list(self._in_batches(x, checked))
        return Observed(
            {name: np.concatenate([part.outputs[name] for part in parts])[: len(x)] for name in parts[0].outputs},
            {name: np.concatenate([part.values[name] for part in parts])[: len(x)] for name in layers},
        )

    def pullback(
        self,
        x: Array,
        targets: Sequence[Target],
        wrt: Sequence[str] = (INPUT,),
        rules: Rules = PLAIN,
        swift: bool = False,
    ) -> Pullback:
        """Run forward once and pull the targets back to the input or to layers.

        Args:
            x: float32 (n, h, w, c).
            targets: What is differentiated, summed over the pictures (each picture's own gradient results).
            wrt: Names of layers, or `INPUT`. Backward stops there.
            rules: How gradients pass ReLUs.
            swift: Whether a form of the network that rounds otherwise will do: for what takes many steps and is
                compared with nothing. The gradient of a network of ReLUs jumps where an activation is as good as zero,
                so that two roundings differ in a few places by hundredths, though they agree everywhere else.

        Raises:
            NotFoundError: There is no such layer.
        """
        pull = self._swift_pullback if swift else self._pullback

        def checked(batch: Array) -> Pullback:
            pullback = pull(batch, self._asked(targets), wrt, rules)
            self._check_outputs(pullback.outputs, len(batch))
            return replace(pullback, outputs=self._answered(pullback.outputs))

        parts = list(self._in_batches(x, checked, None if swift or len(x) == 1 else self._backward_batch()))
        join: dict[str, Any] = {
            "outputs": {k: np.concatenate([p.outputs[k] for p in parts])[: len(x)] for k in parts[0].outputs},
            "values": {k: np.concatenate([p.values[k] for p in parts])[: len(x)] for k in wrt},
            "gradients": {k: np.concatenate([p.gradients[k] for p in parts], axis=1)[:, : len(x)] for k in wrt},
        }
        return Pullback(**join, ruled=parts[0].ruled)

    def predict_replaced(self, x: Array, layer: str, values: Array) -> Array:
        """Return the class scores of one picture when a layer returns other values than it did.

        Args:
            x: One picture, float32 (1, h, w, c), or clip.
            layer: The layer's name.
            values: What it returns instead, one after another: float32 (n, ...), channels last, as `activations`
                gives it.

        Returns:
            float32 (n, classes).

        Raises:
            NotFoundError: There is no such layer.
        """

        self._refuse_of_layer("what a layer returns be replaced")

        def replaced(batch: Array) -> Array:
            outputs = self._replaced(np.repeat(x, len(batch), axis=0), layer, batch)
            self._check_outputs(outputs, len(batch))
            return self.class_scores(outputs if self.focus is None else {SCORES: self.focus.read(outputs)})

        return np.concatenate(list(self._in_batches(values, replaced)))[: len(values)]

    def relevance(self, x: Array, targets: Sequence[Target], rules: RelevanceRules) -> Relevance:
        """Run forward once, and share the targets' scores out among the numbers of the input.

        Args:
            x: float32 (n, h, w, c).
            targets: Whose scores.
            rules: How each operation of the network hands on what it has.

        Raises:
            NotSupportedError: The network cannot be read as an op graph, or there is no rule for an operation.
        """

        self._refuse_of_layer("its relevance be shared out by rules")

        def checked(batch: Array) -> Relevance:
            found = self._relevance(batch, self._asked(targets), rules)
            self._check_outputs(found.outputs, len(batch))
            return replace(found, outputs=self._answered(found.outputs))

        parts = list(self._in_batches(x, checked))
        first = parts[0]
        return replace(
            first,
            outputs={name: np.concatenate([p.outputs[name] for p in parts])[: len(x)] for name in first.outputs},
            values=np.concatenate([p.values for p in parts], axis=1)[:, : len(x)],
            shared=np.concatenate([p.shared for p in parts], axis=1)[:, : len(x)],
            absorbed={
                kind: np.concatenate([p.absorbed[kind] for p in parts], axis=1)[:, : len(x)] for kind in first.absorbed
            },
        )

    def attention(self, x: Array, targets: Sequence[Target], early: bool = False) -> Attention:
        """Run forward once, and backward for all targets to the weights of each layer of attention.

        Args:
            x: float32 (n, h, w, c).
            targets: What is differentiated.
            early: Whether each layer is asked for the score that the network would give if the block of that layer
                were its last; else all of them for the score itself.

        Raises:
            NotSupportedError: The network has no attention, or its weights are not those of the picture's patches, or
                it cannot be read as an op graph.
        """
        self._refuse_of_layer("attention be followed to it")

        def checked(batch: Array) -> Attention:
            found = self._attention(batch, self._asked(targets), early)
            self._check_outputs(found.outputs, len(batch))
            return replace(found, outputs=self._answered(found.outputs))

        parts = list(self._in_batches(x, checked))
        first = parts[0]
        return replace(
            first,
            outputs={name: np.concatenate([p.outputs[name] for p in parts])[: len(x)] for name in first.outputs},
            layers=tuple(
                replace(
                    layer,
                    weights=np.concatenate([p.layers[place].weights for p in parts])[: len(x)],
                    gradients=np.concatenate([p.layers[place].gradients for p in parts], axis=1)[:, : len(x)],
                )
                for place, layer in enumerate(first.layers)
            ),
            read=np.any([p.read for p in parts], axis=0),
        )

    def _refuse_of_layer(self, what: str) -> None:
        """Refuse what starts at the network's outputs where a channel of a layer is asked about."""
        if self.reads_layer:
            raise NotSupportedError(f"Where a channel of a layer is explained, {what} cannot.", "Explain a class.")

    def _asked(self, targets: Sequence[Target]) -> Sequence[Target]:
        """Return targets as functions of the network's own outputs."""
        focus = self.focus
        return targets if focus is None else [FocusedTarget(target=target, focus=focus) for target in targets]

    def _answered(self, outputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return outputs as this model answers."""
        return outputs if self.focus is None else {SCORES: self.focus.read(outputs)}

    def close(self) -> None:
        """Release what the model holds. The model must not be used afterwards."""

    # --- built on it, once -----------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """Digest of everything that decides what the model answers: network, hooks, preprocessing, labels, head."""
        declared = self.hooks.preprocessing.model_dump_json() if self.hooks.preprocessing else ""
        parts = (
            self.origin(),
            declared,
            "\0".join(self.labels),
            self.head,
            self.facts.units,
            self.hooks.source_digest,
        )
        return hashlib.sha256("\1".join(parts).encode()).hexdigest()

    @property
    def whole(self) -> Model:
        """The model without a focus: its outputs are the masks or boxes themselves."""
        return self._whole or self

    def focused(self, focus: Focus) -> Self:
        """Return the same network as it answers about one part of a picture: its scores are those of the focus.

        Everything is shared with this model; nothing is opened again. Where the focus is a channel of a layer the
        score is an activation: it has no probability, and nothing that starts at the network's outputs explains it.
        """
        view = copy.copy(self)
        view.focus, view._whole = focus, self.whole
        view.labels = focus.labels
        view.binary = False
        view.facts = replace(self.facts, columns=len(focus.labels))
        if focus.layer:
            view.head, view._default = Head.NONE, None
            view.facts = replace(view.facts, head=Head.NONE, units="activation")
            view.capabilities = self.capabilities & _OF_LAYERS
            if not self.pulls_layers:
                view.capabilities -= {Capability.GRADIENTS, Capability.RELU_RULES}
        return view

    @property
    def reads_layer(self) -> bool:
        """Whether the scores are those of a channel of a layer, and not made of the network's outputs."""
        return self.focus is not None and bool(self.focus.layer)

    def origin(self) -> str:
        """Digest of the network as it is now; adapters of live objects hash the parameters again."""
        return self.facts.origin

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return what the network really returns, by name, for a batch of any size.

        Raises:
            ModelFailedError: The network raised.
            ModelOutputError: The scores are not finite.
            OutOfMemoryError: Not even one picture fits.
        """
        if not len(x):
            return {SCORES: np.zeros((0, self.facts.columns), np.float32)}

        def checked(batch: Array) -> dict[str, Array]:
            outputs = self._read_outputs(batch)
            self._check_outputs(outputs, len(batch))
            return outputs if self.focus is None else {SCORES: self.focus.read(outputs)}

        parts = list(self._in_batches(x, checked))
        return {name: np.concatenate([part[name] for part in parts])[: len(x)] for name in parts[0]}

    def _read_outputs(self, x: Array) -> dict[str, Array]:
        """Return what the scores are made of for one batch: the network's outputs, or those of a layer."""
        if self.focus is None or not self.focus.layer:
            return self._outputs(x)
        return {LAYER: self._activations(x, [self.focus.layer])[self.focus.layer]}

    def predict(self, x: Array) -> Array:
        """Return class scores (n, classes): logits, or what `facts.units` says.

        Raises:
            NotSupportedError: The network answers for pixels or boxes, and was not asked about one part.
        """
        if self.facts.task is not Task.CLASSIFICATION and self.focus is None:
            raise NotSupportedError(
                f"A network of {self.facts.task} has no class scores of the whole picture.",
                "Use explain(), which asks about a region or a box, or outputs().",
            )
        return self.class_scores(self.outputs(x))

    def class_scores(self, outputs: Mapping[str, Array]) -> Array:
        """Return scores by class (n, classes) from the network's outputs (n, columns)."""
        scores = outputs[SCORES]
        return np.concatenate([-scores, scores], axis=1) if self.binary and len(self.labels) == 2 else scores

    def probabilities(self, scores: Array) -> Array:
        """Turn class scores (..., classes) into probabilities."""
        if self.focus is not None:
            return self.focus.probabilities(scores, self.head)
        return to_probabilities(scores, self.head)

    def predict_patched(
        self,
        x: Array,
        boxes: NDArray[np.int64],
        contents: Array,
        progress: Progress = ignore,
        quality: Quality = Quality.EXACT,
    ) -> Array:
        """Return the class scores of the picture with each box replaced, one at a time.

        Args:
            x: One picture, float32 (1, h, w, c), or clip, (1, frames, h, w, c).
            boxes: int (m, 4): top, left, height, width in pixels of the input, inside the picture; in all frames of
                a clip. Or int (m, 6) for a part of a clip: first frame and number of frames before these four.
            contents: (h, w, c), from which each box takes what lies there; or (m, h, w, c), for each box another
                one. With the frames before the height for a clip.
            progress: Called after each batch with (done, m).
            quality: How true the scores must be; a model that knows no faster way gives the exact ones.

        Returns:
            float32 (m, classes). `patching` says how they were found.
        """
        self.patching = Patching(windows=len(boxes))
        if not len(boxes):
            return np.zeros((0, len(self.labels)), np.float32)
        rows: list[Array] = []
        start = 0
        progress(0, len(boxes))
        while start < len(boxes):
            stop = min(start + self.batch_size, len(boxes))
            batch = np.repeat(x, stop - start, axis=0)
            for row, index in enumerate(range(start, stop)):
                place = clips.place_of(boxes[index])
                batch[row][place] = (contents if contents.ndim < x.ndim else contents[index])[place]
            rows.append(self.predict(batch))
            start = stop
            progress(start, len(boxes))
        return np.concatenate(rows)

    def predict_whole(self, x: Array) -> Array:
        """Return the class scores (n, classes) of many pictures of which everything differs, as fast as is known.

        The same as `predict` to 1e-4 of the largest score.
        """
        return self.predict(x)

    def target(self, target: int | str | Target) -> Target:
        """Turn an index, a label or "a - b" into a Target.

        Raises:
            TargetError: There is no such class, or a detector found nothing of it.
        """
        if self.focus is not None and isinstance(target, str):
            target = self.focus.label(target)
            if target in self.whole.labels and target not in self.labels:
                raise TargetError(
                    f"No '{target}' was found in this picture.", "Draw a box where it should have been found (at=...)."
                )
        return make_target(target, self.labels, self.facts.columns)

    def top_targets(self, scores: Array, count: int) -> list[Target]:
        """Return the targets of the best classes of one picture's scores (classes,), best first."""
        if count < 1:
            raise TargetError(f"top must be at least 1. Got {count}.")
        if self.focus is not None:
            found = self.focus.predictions
            sure = [prediction for prediction in found if prediction.probability >= self.focus.least] or found[:1]
            return [self.target(prediction.index) for prediction in sure[:count]]
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.target(int(index)) for index in best]

    def default_layer(self) -> Layer | None:
        """Return the layer that class activation maps use: the last with space from which the answer takes anything.

        Found by tracing: what runs after the last attention of a vision transformer still has a token for each
        patch, but only the class token goes on.
        """
        layers = self.layers()
        if self.focus is not None and self.focus.layer:  # what runs behind it tells nothing of its channel
            layers = layers[: [layer.name for layer in layers].index(self.focus.layer) + 1]
        spatial = [layer for layer in layers if layer.spatial]
        if self.facts.task is Task.CLASSIFICATION and not self.reads_layer and not any(layer.grid for layer in spatial):
            return spatial[-1] if spatial else None
        names = tuple(layer.name for layer in spatial)
        if self._default is None or self._default[0] != names:
            self._default = names, last_heard(self, spatial)
        return self._default[1]

    def _check_outputs(self, outputs: Mapping[str, Array], count: int) -> None:
        """Refuse outputs of a shape that this model does not have, or with numbers that are not finite."""
        scores = outputs.get(SCORES)
        if scores is not None and (scores.ndim != 2 or len(scores) != count):
            raise ModelOutputError(
                f"The network returned scores of shape {scores.shape}; a classifier returns ({count}, classes).",
                "Override load() in a model file so that it returns class scores.",
            )
        for values in outputs.values():
            if not np.isfinite(values).all():
                kind = "NaN" if np.isnan(values).any() else "infinite"
                raise ModelOutputError(
                    f"The model returned {kind} scores.", "Check the weights and the preprocessing of this model."
                )

    def _in_batches(self, x: Array, run: Callable[[Array], T], most: int | None = None) -> Iterator[T]:
        """Run batches one after another; a batch is halved on out-of-memory, and padded where its size is fixed."""
        start = 0
        while start < len(x):
            size = self.facts.fixed_batch or min(self.batch_size, most or self.batch_size)
            count = min(size, len(x) - start)
            # A copy: what the user's code does to its input in place must not reach the sample.
            batch = x[start : start + count].copy()
            if self.facts.fixed_batch and count < self.facts.fixed_batch:
                batch = np.concatenate([batch, np.repeat(batch[-1:], self.facts.fixed_batch - count, axis=0)])
            try:
                with self.running():
                    result = run(batch)
            except OutOfMemoryError:
                if count == 1 or self.facts.fixed_batch:
                    raise
                self.batch_size = max(1, count // 2)
                continue
            yield result
            start += count
