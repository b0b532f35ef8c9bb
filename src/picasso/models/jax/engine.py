"""Forward and backward passes of a JAX network, compiled, from NumPy arrays to NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from picasso.core.errors import ModelOutputError
from picasso.core.facts import INPUT, ReluRule
from picasso.core.hooks import Head
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER
from picasso.models import opened
from picasso.models.jax.layers import Tap, find_layers
from picasso.models.jax.networks import Network
from picasso.models.jax.patterns import before_head, find_relus, ruled_relu
from picasso.models.jax.program import Program

COMPILED_AT_MOST = 32
"""Compiled passes that are kept: a page that asks for layer after layer must not fill the memory."""


class Engine:
    """Forward and backward passes of a network, compiled, from NumPy arrays to NumPy arrays.

    Passes are compiled for each batch size; batches are filled up to a power of two, so that few sizes ever are.

    Args:
        network: The network.
        device: Where it runs, or None for JAX's own choice.
        live: Whether its parameters may change.

    Attributes:
        channels_first: Whether it reads (n, channels, height, width).
        fixed_batch: 1 where it takes no other number of pictures, else None.
        read: The outputs that are returned; None for all.
    """

    def __init__(self, network: Network, device: Any, live: bool) -> None:
        self.network = network
        self.live = live
        self.channels_first = False
        self.fixed_batch: int | None = None
        self.read: tuple[str, ...] | None = None
        self._device = device
        self._head_off = True
        self._largest = 1
        self._structure: Hashable = None
        self._kept: dict[Any, Any] = {}

    # --- opening -----------------------------------------------------------------------------------------------

    def fit(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
        """Find the layout and the batch that the network takes, and its input's shape where that is not given.

        Raises:
            ModelOutputError: It takes none of the usual inputs.
        """
        import jax

        shapes = [shape] if shape else [(side, side, c) for c in (3, 1) for side in opened.PROBE_SIDES]
        parameters, problem = self.network.parameters(), ""
        for batch in (2, 1):
            for tried in shapes:
                for first in (False, True):
                    sides = (tried[2], *tried[:2]) if first else tried
                    x = jax.ShapeDtypeStruct((batch, *sides), np.float32)
                    try:
                        answer = jax.eval_shape(self.network.answer, parameters, x)
                    except Exception as error:
                        problem = problem or (str(error).strip().splitlines() or [type(error).__name__])[0]
                        continue
                    if any(leaf.shape[:1] == (batch,) for leaf in jax.tree_util.tree_leaves(answer) if leaf.ndim):
                        self.channels_first, self.fixed_batch = first, None if batch == 2 else 1
                        return tried
        what = f"The network does not take an input of shape {shape}" if shape else "None of the usual inputs fits"
        raise ModelOutputError(
            f"{what}: {problem or 'it returns no row for each picture'}.",
            "Check the size." if shape else opened.DECLARE_SIZE,
        )

    def ask(self, x: Array) -> tuple[dict[str, Array], Head | None]:
        """Run the network on the probe; return all outputs, the softmax or sigmoid at the end taken off, and that."""
        program, outputs = self._trace(self._specimen(x.shape[1:]))
        heads = [before_head(program, place) for place in outputs.values()]
        inner = next((head[1] for head in heads if head), None)
        raw, _ = self.forward(x, ()) if self.fixed_batch is None else self._one_by_one(x)
        return raw, inner

    def origin(self) -> str:
        """Digest the network as it is now."""
        if self.live:
            self._refresh()
        shape = self._kept.get("shape")
        if "fingerprint" not in self._kept and shape is not None:
            self._kept["fingerprint"] = self.network.fingerprint(self._specimen(shape))
        return self.network.digest(self._kept.get("fingerprint", ""))

    # --- passes ------------------------------------------------------------------------------------------------

    def taps(self, shape: tuple[int, ...]) -> list[Tap]:
        """Return the layers in the order of execution, for an input (height, width, channels)."""
        self._refresh()
        if "taps" not in self._kept:
            x = self._specimen(shape)
            program, _ = self._trace(x)
            self._kept["taps"] = find_layers(program, program.inputs[-1], x.shape[0])
        found: list[Tap] = self._kept["taps"]
        return found

    def program(self, shape: tuple[int, ...]) -> tuple[Program, dict[str, int], list[Any]]:
        """Return the network for an input (height, width, channels) as it is now.

        Returns:
            The program; the places of the outputs that are read, the softmax or sigmoid at the end taken off; its
            parameters.
        """
        program, outputs = self._trace(self._specimen(shape))
        read = {name: self._before(program, place) for name, place in outputs.items() if self._is_read(name)}
        return program, read, self.network.parameters()

    def forward(self, x: Array, layers: tuple[str, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the network's outputs, and those of layers, channels last."""

        def run(parameters: list[Any], x: Any) -> Any:
            program, outputs = self._trace(x, parameters)
            taps = self._found(program, x, layers)
            wanted = {name: self._before(program, place) for name, place in outputs.items() if self._is_read(name)}
            values = program.run([*parameters, x], [*wanted.values(), *(tap.place for tap in taps.values())])
            raw = {name: values[place] for name, place in wanted.items()}
            return raw, {name: tap.channels_last(values[tap.place]) for name, tap in taps.items()}

        with self._ready():
            raw, values = self._compiled(("forward", layers), run)(self._parameters(), self._input(x))
        return _arrays(raw, len(x)), _arrays(values, len(x))

    def replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        """Return the network's outputs when a layer returns other values, (n, ...), channels last."""

        def run(parameters: list[Any], x: Any, given: Any) -> Any:
            program, outputs = self._trace(x, parameters)
            tap = self._found(program, x, (layer,))[layer]
            wanted = {name: self._before(program, place) for name, place in outputs.items() if self._is_read(name)}
            instead = tap.as_in_network(given).astype(program.kinds[tap.place].dtype)
            found = program.run([*parameters, x], list(wanted.values()), {tap.place: lambda _: instead})
            return {name: found[place] for name, place in wanted.items()}

        with self._ready():
            laid = self._input(x)
            full = np.concatenate([values, np.repeat(values[-1:], len(laid) - len(values), axis=0)])
            return _arrays(self._compiled(("replaced", layer), run)(self._parameters(), laid, full), len(x))

    def pullback(
        self, x: Array, wrt: tuple[str, ...], rule: ReluRule, read: str = ""
    ) -> tuple[dict[str, Array], dict[str, Array], Callable[[dict[str, Array]], dict[str, Array]], int]:
        """Run forward, ready to go back to the places asked for.

        Args:
            x: float32 (n, h, w, c).
            wrt: Names of layers, or `INPUT`.
            rule: How gradients pass ReLUs.
            read: The layer at which backward begins: its values, channels last, are the one output then, `LAYER`.

        Returns:
            The network's outputs; the values at the places; what turns derivatives by the outputs, (k, n, ...), into
            those at the places; the number of ReLUs ruled.
        """
        import jax
        import jax.numpy as jnp

        layers = tuple(name for name in wrt if name != INPUT)
        key = ("pullback", wrt, rule, read)
        ruled: dict[Any, int] = self._kept.setdefault("ruled", {})

        def run(parameters: list[Any], x: Any) -> Any:
            program, outputs = self._trace(x, parameters)
            known = self._found(program, x, (*layers, read) if read else layers)
            taps = {name: known[name] for name in layers}
            wanted = {name: self._before(program, place) for name, place in outputs.items() if self._is_read(name)}
            if read:
                wanted = {LAYER: known[read].place}
            instead = _ruled(program, rule)
            ends = list(wanted.values())
            ruled[key] = program.count(ends, instead)

            def scored(free: dict[str, Any]) -> Any:
                changes: dict[int, Any] = {}
                for name in layers:
                    place, before = taps[name].place, changes.get(taps[name].place)
                    changes[place] = partial(_added, free[name], before)
                places = [*ends, *(tap.place for tap in taps.values())]
                found = program.run([*parameters, free.get(INPUT, x)], places, changes, instead)
                inner = {name: tap.channels_last(found[tap.place]) for name, tap in taps.items()}
                if read:
                    return {LAYER: known[read].channels_last(found[wanted[LAYER]])}, inner
                return {name: found[place] for name, place in wanted.items()}, inner

            free: dict[str, Any] = {INPUT: x} if INPUT in wrt else {}
            for name in layers:
                kind = program.kinds[taps[name].place]
                free[name] = jnp.zeros(kind.shape, kind.dtype)
            raw, back, values = jax.vjp(scored, free, has_aux=True)
            return raw, values, back

        def go_back(back: Any, slopes: dict[str, Any]) -> Any:
            return jax.vmap(lambda one: back(one)[0])(slopes)

        with self._ready():
            raw, values, back = self._compiled(key, run)(self._parameters(), self._input(x))
        by_name = {tap.name: tap for tap in self.taps(x.shape[1:])}

        def pull(slopes: dict[str, Array]) -> dict[str, Array]:
            count = len(next(iter(slopes.values())))
            full = {
                name: _filled_rows(slopes.get(name), (count, *end.shape)).astype(end.dtype) for name, end in raw.items()
            }
            with self._ready():
                found = self._compiled((*key, "back"), go_back)(back, full)
            gradients = {}
            for name, value in found.items():
                if name == INPUT:
                    gradient = np.moveaxis(value, 2, -1) if self.channels_first else value
                else:
                    gradient = by_name[name].channels_last(value, leading=2)
                gradients[name] = np.array(gradient, np.float32)[:, : len(x)]
            return {name: gradients[name] for name in wrt}

        seen = _arrays(values, len(x)) | ({INPUT: x} if INPUT in wrt else {})
        return _arrays(raw, len(x)), {name: seen[name] for name in wrt}, pull, ruled.get(key, 0)

    def _trace(self, x: Any, parameters: list[Any] | None = None) -> tuple[Program, dict[str, int]]:
        return self.network.trace(self.network.parameters() if parameters is None else parameters, x)

    def _found(self, program: Program, x: Any, layers: tuple[str, ...]) -> dict[str, Tap]:
        if not layers:
            return {}
        known = {tap.name: tap for tap in find_layers(program, program.inputs[-1], x.shape[0])}
        return {name: known[name] for name in layers}

    @staticmethod
    def _before(program: Program, place: int) -> int:
        head = before_head(program, place)
        return head[0] if head else place

    def _is_read(self, name: str) -> bool:
        return self.read is None or name in self.read

    def _one_by_one(self, x: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        parts = [self.forward(x[i : i + 1], ())[0] for i in range(len(x))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, {}

    def _specimen(self, shape: tuple[int, ...]) -> Any:
        import jax

        self._kept["shape"] = shape
        sides = (shape[2], *shape[:2]) if self.channels_first else shape
        return jax.ShapeDtypeStruct((self.fixed_batch or 2, *sides), np.float32)

    def _compiled(self, key: tuple[Any, ...], run: Callable[..., Any]) -> Callable[..., Any]:
        import jax

        passes: dict[Any, Any] = self._kept.setdefault("passes", {})
        if key not in passes:
            if len(passes) >= COMPILED_AT_MOST:
                passes.clear()
            passes[key] = jax.jit(run)
        return passes[key]  # type: ignore[no-any-return]

    def _refresh(self) -> None:
        """Forget what was traced and compiled where a live network is another one than it was."""
        structure = self.network.structure()
        if structure != self._structure:
            shape = self._kept.get("shape")
            self._structure, self._kept = structure, {} if shape is None else {"shape": shape}

    def _parameters(self) -> list[Any]:
        import jax

        if self.live:
            self._refresh()
            parameters = self.network.parameters()
            return parameters if self._device is None else jax.device_put(parameters, self._device)
        if "parameters" not in self._kept:
            self._kept["parameters"] = jax.device_put(self.network.parameters(), self._device)
        return self._kept["parameters"]  # type: ignore[no-any-return]

    def _input(self, x: Array) -> Any:
        import jax

        self._largest = max(self._largest, len(x))
        size = len(x) if self.fixed_batch else min(self._largest, 1 << (len(x) - 1).bit_length())
        full = x if size == len(x) else np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)])
        laid = np.moveaxis(full, -1, 1) if self.channels_first else full
        return jax.device_put(np.ascontiguousarray(laid), self._device)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        import jax

        with jax.default_device(self._device):
            yield


def _ruled(program: Program, rule: ReluRule) -> dict[int, tuple[int, Callable[[Any], Any]]]:
    if rule is ReluRule.STANDARD:
        return {}
    return {place: (source, ruled_relu(rule, cap)) for place, (source, cap) in find_relus(program).items()}


def _added(delta: Any, before: Callable[[Any], Any] | None, value: Any) -> Any:
    """Add zeros, by which the derivative at a layer is taken; two names of one place each add their own."""
    return (before(value) if before else value) + delta


def _filled_rows(slopes: Array | None, shape: tuple[int, ...]) -> Array:
    """Return derivatives for a batch that was filled up: zeros for what was added."""
    full = np.zeros(shape, np.float32)
    if slopes is not None:
        full[:, : slopes.shape[1]] = slopes
    return full


def _arrays(values: dict[str, Any], count: int) -> dict[str, Array]:
    return {name: np.array(value, dtype=np.float32)[:count] for name, value in values.items()}
