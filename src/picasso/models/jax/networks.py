"""What JAX networks come as: a function with its parameters, a Flax linen module with its variables, an nnx module."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any

import numpy as np

from picasso.core.errors import ModelFileError
from picasso.models.jax.layers import marked
from picasso.models.jax.program import Program, flatten

_AT_REST = {"train": False, "training": False, "is_training": False, "deterministic": True, "inference": True}
"""Arguments of a network's call that switch dropout off and normalizations to their running averages."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def make_network(source: Any) -> Network:
    """Return the network of a live source.

    Raises:
        ModelFileError: It is a Flax linen module without its variables.
    """
    if not isinstance(source, tuple):
        if is_linen(source):
            raise ModelFileError(
                "A Flax linen module holds no parameters of its own.",
                "Give (module, variables), variables as module.init or training returns them.",
            )
        return NnxNetwork(source)
    function, parameters = source
    owner = getattr(function, "__self__", None)
    if owner is not None and is_linen(owner) and function.__name__ == "apply":
        function = owner
    return LinenNetwork(function, parameters) if is_linen(function) else FunctionNetwork(function, parameters)


def is_linen(source: object) -> bool:
    """Say whether something is a Flax linen module."""
    return any(base.__module__ == "flax.linen.module" for base in type(source).__mro__)


class Network(ABC):
    """A network, its parameters taken afresh at each call: a live one may be trained on in between."""

    @abstractmethod
    def parameters(self) -> list[Any]:
        """Return the parameters as they are now."""

    @abstractmethod
    def answer(self, parameters: list[Any], x: Any) -> Any:
        """Run the network on parameters, at rest; scopes mark its modules."""

    def structure(self) -> Hashable:
        """Return what it is apart from its parameters: where that changes, nothing compiled fits any more."""
        return None

    def lasting(self) -> list[Any]:
        """Return the parameters that decide what it answers."""
        return self.parameters()

    def trace(self, parameters: list[Any], x: Any) -> tuple[Program, dict[str, int]]:
        """Return the network as a program of the parameters and x, and the places of its outputs by name."""
        closed, names = self._jaxpr(parameters, x)
        program = flatten(closed)
        kinds = program.kinds
        places = {name: place for name, place in zip(names, program.outputs, strict=True) if _is_output(kinds[place])}
        return program, places

    def _jaxpr(self, parameters: list[Any], x: Any) -> tuple[Any, list[str]]:
        import jax

        names: list[str] = []

        def run(parameters: list[Any], x: Any) -> Any:
            pairs = jax.tree_util.tree_flatten_with_path(self.answer(parameters, x))[0]
            arrays = [(path, leaf) for path, leaf in pairs if hasattr(leaf, "dtype")]
            names.extend(".".join(key_of(part) for part in path) or "output" for path, _ in arrays)
            return [leaf for _, leaf in arrays]

        return jax.make_jaxpr(run)(parameters, x), names

    def fingerprint(self, x: Any) -> str:
        """Digest what the network computes, apart from its parameters."""
        closed, names = self._jaxpr(self.parameters(), x)
        digest = hashlib.sha256(_ADDRESS.sub("", f"{closed.jaxpr}{names}").encode())
        for constant in closed.consts:
            digest.update(_numbers(constant).tobytes())
        return digest.hexdigest()

    def digest(self, fingerprint: str) -> str:
        """Digest the network as it is now, from its fingerprint and its parameters."""
        digest = hashlib.sha256(fingerprint.encode())
        for parameter in self.lasting():
            array = _numbers(parameter)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
        return digest.hexdigest()


class FunctionNetwork(Network):
    """A function of (parameters, x). Only arrays among the parameters are taken for such; the rest stays as it is."""

    def __init__(self, function: Callable[[Any, Any], Any], parameters: Any) -> None:
        self._function = function
        self._tree = parameters
        self._arguments = at_rest(function, before=2)

    def parameters(self) -> list[Any]:
        return [leaf for leaf in self._leaves()[0] if _is_array(leaf)]

    def structure(self) -> Hashable:
        leaves, tree = self._leaves()
        return tree, tuple("" if _is_array(leaf) else repr(leaf) for leaf in leaves)

    def answer(self, parameters: list[Any], x: Any) -> Any:
        import jax

        leaves, tree = self._leaves()
        left = iter(parameters)
        whole = jax.tree_util.tree_unflatten(tree, [next(left) if _is_array(leaf) else leaf for leaf in leaves])
        return self._function(whole, x, **self._arguments)

    def _leaves(self) -> tuple[list[Any], Any]:
        import jax

        return jax.tree_util.tree_flatten(self._tree)  # type: ignore[no-any-return]


class LinenNetwork(FunctionNetwork):
    """A Flax linen module and its variables, batch statistics among them; bare parameters will do."""

    def __init__(self, module: Any, variables: Any) -> None:
        if not isinstance(variables, Mapping):
            raise ModelFileError(
                f"The variables of a Flax module must be a mapping. Got {type(variables).__name__}.",
                "Give (module, variables), variables as module.init returns them.",
            )
        variables = variables if "params" in variables or not variables else {"params": variables}
        super().__init__(self._apply, variables)
        self._module = module
        self._arguments = at_rest(type(module).__call__, before=2)

    def _apply(self, variables: Any, x: Any, **arguments: Any) -> Any:
        import jax
        from flax import linen

        calls: list[Any] = []

        def mark(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.method_name != "__call__":
                return function(*args, **kwargs)
            calls.append(context)
            path, kind = ".".join(context.module.path), type(context.module).__name__
            # The number tells one call of a module from its next.
            with jax.named_scope(f"{marked(path, kind)}#{len(calls)}"):
                return function(*args, **kwargs)

        with linen.intercept_methods(mark):
            return self._module.apply(variables, x, **arguments)


class NnxNetwork(Network):
    """A Flax nnx module. It is split and put together again for each trace; the user's own is never run."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._arguments = at_rest(type(module).__call__, before=2)

    def parameters(self) -> list[Any]:
        import jax

        _, random, state = self._split()
        return [*jax.tree_util.tree_leaves(random), *jax.tree_util.tree_leaves(state)]

    def lasting(self) -> list[Any]:
        import jax

        return jax.tree_util.tree_leaves(self._split()[2])  # type: ignore[no-any-return]

    def structure(self) -> Hashable:
        return self._split()[0]  # type: ignore[no-any-return]

    def answer(self, parameters: list[Any], x: Any) -> Any:
        import jax
        from flax import nnx

        definition, random, state = self._split()
        tree = jax.tree_util.tree_structure((random, state))
        copy = nnx.merge(definition, *jax.tree_util.tree_unflatten(tree, parameters))
        copy.eval()
        _mark_calls(copy)
        return copy(x, **self._arguments)

    def _split(self) -> tuple[Any, Any, Any]:
        from flax import nnx

        # Random numbers' keys and counts change with every call in training, and nothing at rest depends on them.
        return nnx.split(self._module, nnx.RngState, ...)  # type: ignore[no-any-return]


_calls = itertools.count()


def _mark_calls(module: Any) -> None:
    """Let every module inside a module say its path in the scope in which it runs. The module is a copy of ours."""
    from flax import nnx

    for path, inner in nnx.iter_modules(module):
        kind = type(inner)
        if any("__call__" in vars(base) for base in kind.__mro__):
            object.__setattr__(inner, "__class__", _marking(kind, ".".join(str(part) for part in path)))  # type: ignore[arg-type]


@cache
def _marking(kind: type, path: str) -> type:
    """Return a class like another whose call is marked; of one path, since nnx rebuilds modules from their classes."""
    import jax

    call = kind.__call__

    def marked_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(f"{marked(path, kind.__name__)}#{next(_calls)}"):
            return call(self, *args, **kwargs)

    return type(kind)(kind.__name__, (kind,), {"__call__": marked_call, "__module__": kind.__module__})


def at_rest(call: Callable[..., Any], before: int) -> dict[str, bool]:
    """Return the arguments that put a network at rest, of those that its call has.

    Args:
        call: The function or method.
        before: How many arguments come first: the parameters or the module, and x.
    """
    try:
        names = list(inspect.signature(call).parameters)[before:]
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in _AT_REST.items() if name in names}


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _numbers(leaf: Any) -> Any:
    """Return an array of JAX as one of NumPy; a random key as the numbers that it is made of."""
    import jax

    is_key = hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def _is_output(kind: Any) -> bool:
    return len(kind.shape) >= 1 and "float" in str(kind.dtype)


def key_of(part: Any) -> str:
    """Return a step on the way to a leaf as people write it: a key, a place, an attribute."""
    for attribute in ("key", "idx", "name"):
        if hasattr(part, attribute):
            return str(getattr(part, attribute))
    return str(part)
