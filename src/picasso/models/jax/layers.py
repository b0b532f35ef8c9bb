"""The layers of a flattened JAX network: Flax modules, named scopes and the operations that people know by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from picasso.models.jax.patterns import find_relus
from picasso.models.jax.program import Program, Step

MARK = "picasso:"
"""Scopes that begin so are modules: see `marked`."""
_OPERATIONS = {
    "conv_general_dilated": "conv",
    "dot_general": "dot",
    "reduce_window_max": "max_pool",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "softmax": "softmax",
}
_FUNCTIONS = (
    *("relu", "relu6", "gelu", "silu", "swish", "elu", "selu", "celu", "leaky_relu", "softplus", "log_softmax"),
    *("softmax", "hard_swish", "hard_silu", "hard_sigmoid", "hard_tanh", "mish", "squareplus", "sigmoid"),
)
"""Functions of jax.nn that are layers where a network calls them itself; they come as jitted functions."""

View = Literal["as is", "channels first", "heads"]


@dataclass(frozen=True)
class Tap:
    """A layer and where its output lies.

    Args:
        name: Its name in the user's network; "name:2" where it runs a second time.
        kind: Class of the module, or the operation.
        place: Place of its output in the program.
        view: How that becomes channels last: "heads" are (n, tokens, heads, channels), which belong together.
        shape: Its shape without the batch, as the network has it.
    """

    name: str
    kind: str
    place: int
    view: View
    shape: tuple[int, ...]

    @property
    def last_shape(self) -> tuple[int, ...]:
        """Its shape without the batch, channels last."""
        if self.view == "channels first":
            return (*self.shape[1:], self.shape[0])
        return (self.shape[0], self.shape[1] * self.shape[2]) if self.view == "heads" else self.shape

    def channels_last(self, values: Any, leading: int = 1) -> Any:
        """Return values or gradients, with so many axes before the layer's own, channels last."""
        if self.view == "channels first":
            return values.transpose(*range(leading), *(leading + axis for axis in (1, 2, 0)))
        return values.reshape(*values.shape[:leading], *self.last_shape)

    def as_in_network(self, values: Any) -> Any:
        """Return values (n, ..., channels) as the network has them."""
        if self.view == "channels first":
            return values.transpose(0, 3, 1, 2)
        return values.reshape(len(values), *self.shape)


def marked(path: str, kind: str) -> str:
    """Return the scope's name that marks everything that a module runs."""
    return f"{MARK}{path}|{kind}"


@dataclass
class _Run:
    """One run of a scope: a module's call, a named scope, a jitted function."""

    scope: str
    depth: int
    start: int
    end: int = 0
    has_modules: bool = False

    @property
    def is_module(self) -> bool:
        return self.scope.startswith(MARK)

    @property
    def function(self) -> str:
        """Name of the jitted function, or ""."""
        return self.scope[4:].partition("#")[0] if self.scope.startswith("jit ") else ""


def find_layers(program: Program, x: int, batch: int) -> list[Tap]:
    """Return the layers of a program in the order of execution, inner ones before those that hold them.

    A network of modules has its modules, and the known operations that run between them; any other has its named
    scopes and known operations.

    Args:
        program: The network.
        x: Place of its input.
        batch: Number of pictures with which it was traced.
    """
    from_x = program.depends_on(x)
    modules = any(part.startswith(MARK) for step in program.steps for part in step.scope)
    relus = find_relus(program)
    runs = list(_runs(program.steps, modules))
    users: dict[int, int] = dict.fromkeys(program.outputs, len(program.steps))
    for index, step in reversed(list(enumerate(program.steps))):
        for place in step.inputs:
            users[place] = max(users.get(place, -1), index)

    found: list[tuple[int, int, str, str, int]] = []
    for run in runs:
        result = _result(program, run, users, from_x, batch)
        name, kind = _said(run, modules)
        if result is not None and name:
            found.append((run.end - 1, -run.depth, name, kind, result))
    for index, step in enumerate(program.steps):
        kind = _operation(program, step, relus, from_x)
        place = step.outputs[0]
        if kind and _fits(program, place, from_x, batch) and not _within_leaf(index, runs, modules):
            name = ".".join((*_path(step, modules), kind))
            found.append((index, -99, name, kind, place))
    found.sort(key=lambda layer: layer[:2])
    return list(_named(program, found))


def _runs(steps: list[Step], modules: bool) -> Iterator[_Run]:
    """Group steps that run in the same scope, one after another."""
    current: list[_Run] = []
    for index, step in enumerate(steps):
        scope = [part for part in step.scope if not modules or part.startswith((MARK, "jit "))]
        same = 0
        while same < min(len(scope), len(current)) and scope[same] == current[same].scope:
            same += 1
        yield from reversed(current[same:])
        current = current[:same]
        for depth, part in enumerate(scope[same:], start=same):
            run = _Run(part, depth, index)
            if run.is_module or not (modules or run.function):
                for outer in current:
                    outer.has_modules = True
            current.append(run)
        for run in current:
            run.end = index + 1
    yield from reversed(current)


def _result(program: Program, run: _Run, users: dict[int, int], from_x: frozenset[int], batch: int) -> int | None:
    """Return the place of the last value made in a run that goes on outside."""
    for step in reversed(program.steps[run.start : run.end]):
        for place in reversed(step.outputs):
            if users.get(place, -1) >= run.end and _fits(program, place, from_x, batch):
                return place
    return None


def _said(run: _Run, modules: bool) -> tuple[str, str]:
    """Return a run's name and kind; no name where it is no layer."""
    if run.is_module:
        path, _, kind = run.scope.removeprefix(MARK).partition("|")
        return path, kind.partition("#")[0]
    return ("", "") if modules or run.function else (run.scope, "scope")


def _operation(program: Program, step: Step, relus: dict[int, tuple[int, float | None]], from_x: frozenset[int]) -> str:
    """Return the name under which people know an operation, or ""."""
    place = step.outputs[0]
    if place in relus:
        return "relu" if relus[place][1] is None else "relu6" if relus[place][1] == 6 else "clip"
    functions = [part[4:].partition("#")[0] for part in step.scope if part.startswith("jit ")]
    known = next((name for name in functions if name in _FUNCTIONS), "")
    if known:
        # Of a function of several operations, the one whose result is the function's.
        whole = next(part for part in step.scope if part[4:].partition("#")[0] == known)
        inside = [other for other in program.steps if whole in other.scope]
        return _unless_attention(program, known, place) if inside[-1] is step else ""
    if step.kind in _FUNCTIONS:
        return _unless_attention(program, step.kind, place)
    if step.kind in ("dot_general", "conv_general_dilated") and len(from_x.intersection(step.inputs)) == 2:
        return ""  # attention: its weights and sums are no maps of the picture
    return _unless_attention(program, _OPERATIONS.get(step.kind, ""), place)


def _unless_attention(program: Program, name: str, place: int) -> str:
    return "" if "softmax" in name and len(program.kinds[place].shape) > 2 else name


def _within_leaf(index: int, runs: list[_Run], modules: bool) -> bool:
    """Say whether a step runs inside a module, or scope, that has none inside: it stands for what it is made of."""
    around = [r for r in runs if r.start <= index < r.end and (r.is_module if modules else not r.function)]
    inner = max(around, key=lambda run: run.depth, default=None)
    return inner is not None and not inner.has_modules and bool(_said(inner, modules)[0])


def _path(step: Step, modules: bool) -> tuple[str, ...]:
    """Return the names of the modules or scopes around a step."""
    if not modules:
        return tuple(part for part in step.scope if not part.startswith("jit "))
    paths = [part.removeprefix(MARK).partition("|")[0] for part in step.scope if part.startswith(MARK)]
    return (paths[-1],) if paths and paths[-1] else ()


def _fits(program: Program, place: int, from_x: frozenset[int], batch: int) -> bool:
    kind = program.kinds[place]
    shape: tuple[int, ...] = getattr(kind, "shape", ())
    return place in from_x and len(shape) >= 2 and shape[0] == batch and _is_float(kind.dtype)


def _is_float(dtype: Any) -> bool:
    # Types like bfloat16 are no floats to NumPy.
    return "float" in str(dtype)


def _named(program: Program, found: list[tuple[int, int, str, str, int]]) -> Iterator[Tap]:
    layouts = _layouts(program)
    seen: dict[str, int] = {}
    for index, _, name, kind, place in found:
        seen[name] = seen.get(name, 0) + 1
        shape = tuple(int(side) for side in program.kinds[place].shape)
        before = [first for at, first in layouts if at <= index]
        view: View = "as is"
        if kind in ("DenseGeneral", "LinearGeneral") and len(shape) == 4:
            view = "heads"
        elif len(shape) == 4 and before and before[-1]:
            view = "channels first"
        yield Tap(name if seen[name] == 1 else f"{name}:{seen[name]}", kind, place, view, shape[1:])


def _layouts(program: Program) -> list[tuple[int, bool]]:
    """Return (place in the order of execution, whether channels come first) of each convolution."""
    return [
        (index, step.params["dimension_numbers"].out_spec[1] == 1)
        for index, step in enumerate(program.steps)
        if step.kind == "conv_general_dilated" and len(program.kinds[step.outputs[0]].shape) == 4
    ]
