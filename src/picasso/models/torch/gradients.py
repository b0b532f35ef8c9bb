"""Backward through a PyTorch graph: several targets at once."""

from __future__ import annotations

from typing import Any

from picasso.core.errors import NotSupportedError
from picasso.core.preprocessing import Array


def pulled(answer: dict[str, Any], cotangents: dict[str, Array], places: list[Any]) -> list[Any]:
    """Pull cotangents (k, n, ...) of the outputs back to each place, (k, n, ...), in one batched backward.

    Raises:
        NotSupportedError: No output depends on a place through gradients.
    """
    import torch

    if not places:
        return []
    names = [name for name in cotangents if answer[name].requires_grad]
    if not names:
        raise _no_gradient()
    ends = [answer[name] for name in names]
    rows = [torch.from_numpy(cotangents[name]).to(end.device, end.dtype) for name, end in zip(names, ends, strict=True)]
    count = len(rows[0])
    if count == 1:
        one = torch.autograd.grad(ends, places, [row[0] for row in rows], allow_unused=True)
        if all(gradient is None for gradient in one):
            raise _no_gradient()
        return [torch.zeros_like(p)[None] if g is None else g[None] for g, p in zip(one, places, strict=True)]
    try:
        batched = torch.autograd.grad(ends, places, rows, is_grads_batched=True, allow_unused=True, retain_graph=True)
    except RuntimeError:  # an operation without a batching rule
        parts = [
            torch.autograd.grad(ends, places, [row[i] for row in rows], retain_graph=True, allow_unused=True)
            for i in range(count)
        ]
        batched = tuple(None if parts[0][i] is None else torch.stack([p[i] for p in parts]) for i in range(len(places)))
    return [torch.zeros((count, *p.shape)) if g is None else g for g, p in zip(batched, places, strict=True)]


def _no_gradient() -> NotSupportedError:
    return NotSupportedError(
        "The score does not depend on what was asked for through gradients: the network detaches it (no_grad, detach).",
        "Choose another layer, or a visualization that needs no gradients.",
    )
