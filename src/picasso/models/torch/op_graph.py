"""A PyTorch network as an op graph: one picture runs through it, and every operation that it meets is written down.

A dispatch mode sees the operations of every network alike, be it a module, an exported program or a library's model.
What does not depend on the picture is computed by PyTorch as it goes, and is a constant of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

from picasso.core import graph as g
from picasso.core.graph import Graph, GraphError
from picasso.models.torch.op_layers import TABLE as LAYERS
from picasso.models.torch.op_numbers import TABLE as NUMBERS
from picasso.models.torch.op_shapes import TABLE as SHAPES
from picasso.models.torch.op_sheet import Sheet, Value, inner
from picasso.models.torch.op_windows import TABLE as WINDOWS

_TABLE = {**LAYERS, **NUMBERS, **SHAPES, **WINDOWS}
_DECIDES = frozenset({"_local_scalar_dense", "item", "is_nonzero", "equal", "allclose", "_assert_async"})
"""Operations by which a network looks at its numbers and goes one way or another."""
_FRESH = frozenset({
    "new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like",
})  # fmt: skip
"""Operations that take nothing but the shape from what they are given."""

Run = Callable[[Any], dict[str, Any]]


def read(module: Any, x: Any, run: Run) -> Graph:
    """Return the graph of a network.

    Args:
        module: The network, whose parts give the layers' names.
        x: One picture, float32 (1, channels, height, width).
        run: Runs the network on it at rest, and returns its outputs by name.

    Raises:
        GraphError: It holds something that the graph has no word for.
    """
    import torch

    own = (*module.parameters(), *module.buffers())
    tape = Tape(Sheet({tensor.untyped_storage().data_ptr() for tensor in own}))
    tape.note(x, tape.sheet.input(tuple(x.shape)))
    watching, looking = _modes()
    with ExitStack() as stack:
        stack.enter_context(_layers(module, tape.enter, tape.leave))
        stack.enter_context(looking(tape))
        stack.enter_context(watching(tape))
        # Below autograd, so that operations are seen whole: a linear layer, not a product of matrices and a sum.
        stack.enter_context(torch._C._AutoDispatchBelowAutograd())
        try:
            answers = run(x)
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise GraphError(f"The network cannot be followed while it runs: {said.rstrip('.')}.") from error
    return tape.graph(answers)


class Tape:
    """What every tensor that depends on the picture is in the graph, while the network runs.

    Tensors are kept until the end, so that no other gets the identity or the memory of one that is known.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.broken: GraphError | None = None
        self._known: dict[int, tuple[Any, Value | GraphError, int]] = {}
        self._written: dict[int, int] = {}
        self._inside: list[str] = [""]

    def enter(self, layer: str) -> None:
        """Say that a layer begins to run."""
        self._inside.append(layer)

    def leave(self) -> None:
        """Say that it has ended."""
        self._inside.pop()

    @property
    def layer(self) -> str:
        """The innermost layer that runs."""
        return self._inside[-1]

    def note(self, tensor: Any, value: Value | GraphError) -> None:
        """Say what a tensor is from now on."""
        memory = _memory(tensor)
        self._known[id(tensor)] = tensor, value, self._written.setdefault(memory, 0)

    def find(self, tensor: Any) -> Value | GraphError | None:
        """Return what a tensor is: why it is nothing of the graph, or None where it does not depend on the picture."""
        memory = _memory(tensor)
        if not memory or memory not in self._written:
            return None
        _, value, written = self._known.get(id(tensor), (None, None, -1))
        if written == self._written[memory] and value is not None:
            return value
        return GraphError(f"At {self._where()} the network writes into a part of a tensor.")

    def knows(self, func: Any, args: Any, named: Any) -> bool:
        """Say whether an operation needs no taking apart: it is known, or the picture does not reach it."""
        return _name(func) in _TABLE or not self._given(args, named)

    def write(self, func: Any, args: Any, named: Any, result: Any) -> None:
        """Write an operation that has run.

        Args:
            func: The operation.
            args, named: What it was given.
            result: What it returned.
        """
        given, made = self._given(args, named), list(_tensors(result))
        if (not given and not _is_random(func, made)) or func.overloadpacket.__name__ in _FRESH:
            return
        if not made:
            if func.overloadpacket.__name__ in _DECIDES:
                self.broken = self.broken or GraphError(f"At {self._where()} the network decides by its own numbers.")
            return
        values: list[Value | GraphError] = [self._refusal(func)] * len(made)
        refused = next((one for one in given if isinstance(one, GraphError)), None)
        if refused is not None:
            values = [refused] * len(made)
        elif given and _name(func) in _TABLE:
            values = self._values(func, _name(func), args, named, made)
        if func._schema.is_mutable:
            for tensor in made:
                memory = _memory(tensor)
                self._written[memory] = self._written.get(memory, 0) + 1
        for tensor, value in zip(made, values, strict=True):
            self.note(tensor, value)

    def rewrite(self, tensor: Any, source: Any, kind: type[g.Op], **given: Any) -> None:
        """Say that a tensor is one operation on another, whatever small ones have made it."""
        found = self.find(source)
        if isinstance(found, Value):
            self.sheet.layer = self.layer
            self.note(tensor, Value(self.sheet.put(kind, found.name, **given), tuple(tensor.shape)))

    def look(self, tensor: Any) -> None:
        """Say that the network takes a tensor's numbers out of PyTorch, where nothing can follow them."""
        if self.find(tensor) is not None:
            self.broken = self.broken or GraphError(f"At {self._where()} the network computes outside PyTorch.")

    def graph(self, answers: dict[str, Any]) -> Graph:
        """Return the graph of some outputs."""
        if self.broken is not None:
            raise self.broken
        outputs: dict[str, str] = {}
        for name, tensor in answers.items():
            value = self.find(tensor)
            if isinstance(value, GraphError):
                raise value
            if not tensor.ndim or tensor.shape[0] != 1:
                raise GraphError(f"The output '{name}' has no axis of pictures.")
            outputs[name] = value.name if value else self.sheet.full(tensor, tensor.ndim, 1)
        return self.sheet.build.graph(outputs)

    def _values(self, func: Any, name: str, args: Any, named: Any, made: list[Any]) -> list[Value | GraphError]:
        import torch

        odd = next((t.dtype for t in made if t.dtype not in (torch.float32, torch.float64)), None)
        if odd is not None and len(made) == 1:
            said = str(odd).removeprefix("torch.")
            return [
                GraphError(f"{func.overloadpacket} at {self._where()} computes in {said}; the op graph is of float32.")
            ]
        self.sheet.layer = self.layer
        shapes = [tuple(tensor.shape) for tensor in made]
        try:
            written = _TABLE[name](self.sheet, shapes[0], *self._operands(args), **self._operands(named))
        except GraphError as error:
            said = str(error).replace("{op}", str(func.overloadpacket)).replace("{layer}", self._where())
            return [GraphError(said)] * len(made)
        except TypeError as error:
            raise TypeError(f"{func}: {error}") from error
        names = [written] if isinstance(written, str) else [*written, *[None] * (len(made) - len(written))]
        values: list[Value | GraphError] = []
        for one, shape in zip(names, shapes, strict=True):
            if one is None:
                values.append(self._refusal(func))
            elif self.sheet.build.shape(one) != inner(shape):
                raise AssertionError(f"{func} gives {shape}, the graph {self.sheet.build.shape(one)}")
            else:
                values.append(Value(one, shape))
        return values

    def _given(self, args: Any, named: Any) -> list[Value | GraphError]:
        return [found for tensor in _tensors((args, named)) if (found := self.find(tensor)) is not None]

    def _operands(self, given: Any) -> Any:
        import torch

        if torch.is_tensor(given):
            found = self.find(given)
            return given if found is None else found
        if isinstance(given, list | tuple):
            return type(given)(self._operands(part) for part in given)
        return {key: self._operands(part) for key, part in given.items()} if isinstance(given, dict) else given

    def _refusal(self, func: Any) -> GraphError:
        return GraphError(f"{func.overloadpacket} at {self._where()} has no form in the op graph.")

    def _where(self) -> str:
        return f"'{self.layer}'" if self.layer else "the top of the network"


@cache
def _modes() -> tuple[Any, Any]:
    """The modes that show a tape what runs, made once torch is there."""
    import torch
    import torch.nn.functional as F
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watching(TorchDispatchMode):
        def __init__(self, tape: Tape) -> None:
            super().__init__()
            self.tape = tape

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # which would import the compiler, for seconds

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            if not self.tape.knows(func, args, named):
                with self:
                    parts = func.decompose(*args, **named)
                if parts is not NotImplemented:
                    return parts
            result = func(*args, **named)
            self.tape.write(func, args, named, result)
            return result

    tensor = torch.Tensor
    leaving = {tensor.numpy, tensor.tolist, tensor.__array__, tensor.__dlpack__, tensor.data_ptr}

    class Looking(TorchFunctionMode):
        def __init__(self, tape: Tape) -> None:
            super().__init__()
            self.tape = tape

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            if func in leaving:
                self.tape.look(args[0])
            result = func(*args, **named)
            if func is F.local_response_norm:
                self._normalized(result, *args, **named)
            return result

        def _normalized(
            self, result: Any, input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
        ) -> None:  # torch's own names
            if input.ndim == 4 and input.shape[0] == 1:
                self.tape.rewrite(result, input, g.LocalResponseNorm, size=size, alpha=alpha, beta=beta, bias=k)

    return Watching, Looking


@contextmanager
def _layers(module: Any, enter: Callable[[str], None], leave: Callable[[], None]) -> Iterator[None]:
    """Say when each layer of a network begins and ends; "name:2" is the second time."""
    import torch

    runs: dict[str, int] = {}

    def before(name: str, *_: Any) -> None:
        runs[name] = runs.get(name, 0) + 1
        enter(name if runs[name] == 1 else f"{name}:{runs[name]}")

    def after(*_: Any) -> None:
        leave()

    handles = []
    try:
        for name, part in module.named_modules():
            if name and not isinstance(part, torch.jit.ScriptModule):
                handles.append(part.register_forward_pre_hook(partial(before, name), prepend=True))
                handles.append(part.register_forward_hook(after))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors in arguments or results."""
    import torch

    if torch.is_tensor(value):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _name(func: Any) -> str:
    """Return the name of one of PyTorch's own operations, the same for its form in place; "" for anybody else's."""
    name = str(func.overloadpacket.__name__) if func.namespace == "aten" else ""
    return name if name in _TABLE else name.removesuffix("_")


def _memory(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _is_random(func: Any, made: list[Any]) -> bool:
    """Say whether an operation draws numbers, as a dropout at rest does not."""
    import torch

    return bool(made) and torch.Tag.nondeterministic_seeded in func.tags and "dropout" not in str(func)
