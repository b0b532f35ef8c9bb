"""The functions that a Keras model applies - ReLUs, softmax, sigmoid - found, and replaced for a while."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from picasso.core.facts import ReluRule
from picasso.core.hooks import Head


@dataclass(frozen=True, eq=False)
class Part:
    """An operation inside the model.

    Args:
        name: Its path: names joined by "/".
        operation: The keras.Operation, most often a keras.Layer.
        listed: Whether it counts as a layer: not where it sits inside a composite layer of Keras itself.
    """

    name: str
    operation: Any
    listed: bool


@dataclass(frozen=True, eq=False)
class Site:
    """A place where a function is applied: an operation's `call`, or a function kept in one of its attributes.

    Args:
        operation: The operation.
        attribute: "call", or the attribute's name.
        cap: For a ReLU, the value it is cut at, or None.
        head: For a final activation, which it is.
    """

    operation: Any
    attribute: str
    cap: float | None = None
    head: Head | None = None


def identity(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what comes in: the place of a head that was taken out."""
    return x


def _keras_kinds(operation: Any) -> set[str]:
    return {base.__name__ for base in type(operation).__mro__ if base.__module__.split(".")[0] == "keras"}


def find_heads(parts: Sequence[Part], keras: Any) -> list[Site]:
    """Return every place where a softmax or sigmoid is applied."""
    functions = [
        (function, head)
        for name, head in (("softmax", Head.SOFTMAX), ("log_softmax", Head.SOFTMAX), ("sigmoid", Head.SIGMOID))
        for function in known_as(keras, name)
    ]
    sites = []
    for part in parts:
        kinds = _keras_kinds(part.operation)
        if kinds & {"Softmax", "LogSoftmax", "Sigmoid"}:
            head = Head.SIGMOID if "Sigmoid" in kinds else Head.SOFTMAX
            sites.append(Site(part.operation, "call", head=head))
        for attribute, value in vars(part.operation).items():
            sites += [Site(part.operation, attribute, head=head) for function, head in functions if value is function]
    return sites


def find_relus(parts: Sequence[Part], keras: Any) -> tuple[tuple[Site, ...], tuple[str, ...]]:
    """Return every place where a plain ReLU or ReLU6 is applied, and the names of ReLUs of other kinds."""
    functions = [(f, cap) for name, cap in (("relu", None), ("relu6", 6.0)) for f in known_as(keras, name)]
    sites: list[Site] = []
    unruled: list[str] = []
    for part in parts:
        operation, kinds = part.operation, _keras_kinds(part.operation)
        if "ReLU" in kinds:
            plain = not operation.negative_slope and not operation.threshold
            if plain:
                sites.append(Site(operation, "call", cap=operation.max_value))
            else:
                unruled.append(part.name)
        elif kinds & {"Relu", "Relu6"}:
            sites.append(Site(operation, "call", cap=6.0 if "Relu6" in kinds else None))
        for attribute, value in vars(operation).items():
            sites += [Site(operation, attribute, cap=cap) for function, cap in functions if value is function]
    return tuple(sites), tuple(unruled)


def known_as(keras: Any, name: str) -> list[Any]:
    """Return the functions of that name that Keras and its backend offer as activations."""
    homes = [keras.activations, keras.ops, keras.ops.nn]
    for path in ("tensorflow.nn", "jax.nn", "torch", "torch.nn.functional"):
        module, _, rest = path.partition(".")
        home = sys.modules.get(module)
        for step in rest.split(".") if rest else ():
            home = getattr(home, step, None)
        homes.append(home)
    found = [getattr(home, name, None) for home in homes]
    return [function for function in found if function is not None]


def ruled_relu(keras: Any, rule: ReluRule, cap: float | None, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ReLU whose gradient follows a rule.

    Args:
        keras: The imported package.
        rule: Guided or deconvnet.
        cap: The value it is cut at: the guided rule masks above it, too.
        forward: The ReLU itself.
    """
    ops = keras.ops

    def relu(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            flow = ops.relu(args[-1] if upstream is None else upstream)
            if rule is not ReluRule.GUIDED:
                return flow
            passing = x > 0 if cap is None else ops.logical_and(x > 0, x < cap)
            return ops.where(passing, flow, ops.zeros_like(flow))

        return forward(x), gradient

    ruled = ops.custom_gradient(relu)
    return lambda x, *args, **kwargs: ruled(x)


Patch = Callable[[Site, Callable[[Any], Any]], None]


@contextmanager
def patched() -> Iterator[Patch]:
    """Replace functions of operations for a while, in this thread only; put all back on the way out.

    Yields:
        A function of a site and of what makes the replacement from what is there.
    """
    owner = threading.get_ident()
    undo: list[tuple[dict[str, Any], str, bool, Any]] = []

    def patch(site: Site, wrap: Callable[[Any], Any]) -> None:
        own, name = vars(site.operation), site.attribute
        old = getattr(site.operation, name)
        new = wrap(old)

        def function(*args: Any, **kwargs: Any) -> Any:
            return (new if threading.get_ident() == owner else old)(*args, **kwargs)

        undo.append((own, name, name in own, own.get(name)))
        own[name] = function

    try:
        yield patch
    finally:
        for own, name, had, old in reversed(undo):
            if had:
                own[name] = old
            else:
                own.pop(name, None)
