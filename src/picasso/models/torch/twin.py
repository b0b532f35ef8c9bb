"""A copy of a network that answers as it does and gives its gradients faster.

In the copy, batch norms at rest are folded into the convolutions before them, and filters lie with their channels last
in memory, as the pictures then do. Everything else is the network's own: its code, and the memory of its other
parameters. It rounds otherwise than the network, so maps are not made with it, but pictures that take many steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from picasso.core.errors import NotSupportedError
from picasso.core.preprocessing import Array
from picasso.models.torch.state import Snapshot, snapshot, unchanged

CLOSE = 1e-4
"""By how much of the largest number the copy's answer may differ; what is folded is rounded once, not twice."""
_LEAST = 2
"""Convolutions that look beyond a pixel, from which on the copy pays: one alone cuts patches for a transformer."""

_MOST = 3
"""How often a copy that shares its numbers is made.

A network that notes something of its own in each run is another each time, and to copy it costs more than is saved."""

Answer = Callable[[Any], dict[str, Array]]
"""Runs a module on the probe, in evaluation mode, and returns its outputs by name."""
Change = Callable[[Any, Any], Any]
"""Given a part of a network and its copy, returns what takes the place of the copy."""


@dataclass(frozen=True, eq=False)
class Twin:
    """A copy of a network.

    Args:
        module: The copy, in evaluation mode, its parameters out of the graph.
        changed: Names of the layers that return other values in it: convolutions that have taken in their norm, and
            what hands on what these return.
        originals: Copies of the numbers that the twin does not share with the network, by name.
        late: Whether it is faster where backward ends at a late layer, too.
    """

    module: Any
    changed: frozenset[str]
    originals: tuple[tuple[str, Any], ...]
    late: bool = True

    def is_of(self, module: Any) -> bool:
        """Say whether the numbers that the copy has of its own are still those of a network.

        What is changed through `.data` or an array that shares its memory counts no version up.
        """
        import torch

        parts = dict(module.named_modules())
        return all(
            torch.equal(getattr(parts[name.rpartition(".")[0]], name.rpartition(".")[2]), kept)
            for name, kept in self.originals
        )


class Twins:
    """Makes the copy of a network when it is first asked for, and again when the network is not what it was.

    Args:
        module: The network.
        live: Whether it may change.
        make: Makes the copy, or returns None where there is none that answers the same.
        shares: Whether the copy has no numbers of its own: then it follows those of the network.
    """

    def __init__(self, module: Any, live: bool, make: Callable[[Any, Answer], Twin | None], shares: bool) -> None:
        self.module, self.live, self.refused = module, live, False
        self._make, self._shares = make, shares
        self._known: tuple[Snapshot, Twin | None] | None = None
        self._times = 0

    def of(self, module: Any) -> Twins:
        """Return what makes the same copies of another network, which does not change."""
        return Twins(module, False, self._make, self._shares)

    @property
    def late(self) -> bool:
        """Whether the copy is faster for late layers, too, as far as is known."""
        return self._known is None or (self._known[1] is not None and self._known[1].late)

    def get(self, answer: Answer) -> Twin | None:
        """Return the copy of the network, which must be at rest; None where there is none that answers the same."""
        if self.refused:
            return None
        if self._known is None or (self.live and not self._current(self._known)):
            self._times += 1
            if self._shares and self._times > _MOST:
                self.refused, self._known = True, None
                return None
            before = self._snapshot() if self.live else ([], [])
            self._known = before, self._make(self.module, answer)
        return self._known[1]

    def _snapshot(self) -> Snapshot:
        return snapshot(self.module, versions=not self._shares)

    def _current(self, known: tuple[Snapshot, Twin | None]) -> bool:
        """Say whether the network is what it was when it was copied, also where its numbers were changed by stealth."""
        before, twin = known
        return unchanged(before, self._snapshot()) and (self._shares or twin is None or twin.is_of(self.module))


def twin_of(module: Any, answer: Answer) -> Twin | None:
    """Return a copy of a network, or None where it cannot be copied part by part or answers otherwise.

    Args:
        module: The network; it is left as it is.
        answer: Runs it.
    """
    import torch

    if not _pays(module):
        return None
    own, ran = Watched({torch.nn.BatchNorm2d: (torch.nn.Conv2d,)}), Watched({})
    try:
        expected = own.watch(module, answer)
        pairs = own.pairs()
        made = copied(module, _folding(pairs))
        found = ran.watch(made, answer)
    except Exception:  # whatever a network's own code makes of being copied
        return None
    if ran.runs != own.runs or not _agree(expected, found):
        return None
    return Twin(made, own.names_of(module, [conv for conv, _ in pairs]), _originals(module, pairs))


@dataclass
class Watched:
    """What ran in a network, and which part was given what another had returned, as it was.

    Args:
        after: Kinds of parts, and those that they are looked for behind.
        runs: How often each part ran, by name.
        made: By the identity of what a part returned: the part, the tensor and its version.
        follows: Parts with the one that followed.
        handed: By the identity of a part: the names of those that return what it returned.
    """

    after: Mapping[type, tuple[type, ...]]
    runs: Counter[str] = field(default_factory=Counter)
    made: dict[int, tuple[Any, Any, int]] = field(default_factory=dict)
    follows: list[tuple[Any, Any]] = field(default_factory=list)
    handed: dict[int, set[str]] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def watch(self, module: Any, answer: Answer) -> dict[str, Array]:
        """Run a network and return its answer."""
        import torch

        parts = [(n, p) for n, p in module.named_modules() if n and not isinstance(p, torch.jit.ScriptModule)]
        self._names = {id(part): name for name, part in parts}
        handles = [part.register_forward_hook(self._seen) for _, part in parts]
        try:
            return answer(module)
        finally:
            for handle in handles:
                handle.remove()

    def _seen(self, part: Any, args: Any, output: Any) -> None:
        name = self._names[id(part)]
        self.runs[name] += 1
        before = self.made.get(id(args[0])) if args else None
        if before is not None and type(before[0]) in self.after.get(type(part), ()):
            within = output is before[1]  # a ReLU in place counts the version up
            if before[1]._version == before[2] + within:
                self.follows.append((before[0], part))
                if within:
                    del self.made[id(output)]
        for tensor in _tensors(output):
            if id(tensor) in self.made:
                self.handed.setdefault(id(self.made[id(tensor)][0]), set()).add(name)
        if any(type(part) in kinds for kinds in self.after.values()):
            self.made[id(output)] = part, output, output._version

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return parts and followers that can be one: each ran once, and nobody listens between them."""
        once = {id_: self.runs[name] == 1 for id_, name in self._names.items()}
        return [
            (first, second)
            for first, second in self.follows
            if once[id(first)] and once[id(second)] and not any(map(listened, (first, second))) and _is_at_rest(second)
        ]

    def names_of(self, module: Any, parts: Collection[Any]) -> frozenset[str]:
        """Return the names of parts, and of those that return what they returned."""
        wanted = {id(part) for part in parts}
        names = {name for name, part in module.named_modules(remove_duplicate=False) if id(part) in wanted}
        return frozenset(names.union(*(self.handed.get(one, ()) for one in wanted)))


def _is_at_rest(part: Any) -> bool:
    """Say whether a norm has statistics; any other part has no need of them."""
    return getattr(part, "running_mean", part) is not None


def listened(part: Any) -> bool:
    """Say whether somebody has a hook on a part."""
    return bool(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks)


def _tensors(output: Any) -> list[Any]:
    """Return what a part returned, or what lies in it."""
    if isinstance(output, dict):
        return list(output.values())
    return list(output) if isinstance(output, tuple | list) else [output]


def copied(part: Any, change: Change, known: dict[int, Any] | None = None) -> Any:
    """Return a copy of a network, part by part, that shares its numbers.

    Args:
        part: The network.
        change: Changes the copy of each part.
        known: The copies so far, by the identity of the part.
    """
    import torch

    known = {} if known is None else known
    if id(part) in known:
        return known[id(part)]
    if isinstance(part, torch.jit.ScriptModule):
        raise NotSupportedError("Parts in TorchScript are not copied.")
    made = object.__new__(type(part))
    state = dict(vars(part))
    # Hooks of our own on the copy must not reach the network.
    state |= {name: value.copy() for name, value in state.items() if name.endswith("_hooks") and value is not None}
    state |= {
        "training": False,
        "_parameters": {name: None if p is None else _frozen(p) for name, p in part._parameters.items()},
        "_buffers": dict(part._buffers),
    }
    made.__dict__.update(state)
    known[id(part)] = made = change(part, made)
    children = part._modules.items()
    made.__dict__["_modules"] = {name: None if one is None else copied(one, change, known) for name, one in children}
    return made


def _folding(pairs: list[tuple[Any, Any]]) -> Change:
    import torch

    norms, folded = {id(conv): norm for conv, norm in pairs}, {id(norm) for _, norm in pairs}

    def change(part: Any, made: Any) -> Any:
        if type(part) is torch.nn.Conv2d:
            made._parameters |= _folded(part, norms.get(id(part)))
        return torch.nn.Identity() if id(part) in folded else made

    return change


def _frozen(parameter: Any) -> Any:
    import torch

    return torch.nn.Parameter(parameter.detach(), requires_grad=False)


def _folded(conv: Any, norm: Any) -> dict[str, Any]:
    """Return the parameters of a convolution that does what a norm after it did, its channels last in memory."""
    import torch

    weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
    if norm is not None:
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        gain = gain if norm.weight is None else gain * norm.weight.detach().double()
        shift = -norm.running_mean.double() if bias is None else bias.double() - norm.running_mean.double()
        shift = shift * gain if norm.bias is None else shift * gain + norm.bias.detach().double()
        weight, bias = (weight.double() * gain[:, None, None, None]).to(weight.dtype), shift.to(weight.dtype)
    lying = weight.contiguous(memory_format=torch.channels_last)
    return {"weight": _frozen(lying), "bias": None if bias is None else _frozen(bias)}


def _originals(module: Any, pairs: list[tuple[Any, Any]]) -> tuple[tuple[str, Any], ...]:
    """Return copies of the numbers of convolutions and of norms that are folded, by name."""
    import torch

    norms = {id(norm) for _, norm in pairs}
    found = []
    for name, part in module.named_modules():
        if type(part) is torch.nn.Conv2d or id(part) in norms:
            numbers = {**part._parameters, **part._buffers}
            found += [(f"{name}.{key}", one.detach().clone()) for key, one in numbers.items() if one is not None]
    return tuple(found)


def _pays(module: Any) -> bool:
    import torch

    wide = (part for part in module.modules() if type(part) is torch.nn.Conv2d and max(part.kernel_size) > 1)
    return sum(1 for _ in wide) >= _LEAST


def _agree(expected: dict[str, Array], found: dict[str, Array]) -> bool:
    return expected.keys() == found.keys() and all(
        one.shape == found[name].shape
        and np.allclose(found[name], one, rtol=0, atol=CLOSE * max(float(np.abs(one).max(initial=0)), 1e-6))
        for name, one in expected.items()
    )
