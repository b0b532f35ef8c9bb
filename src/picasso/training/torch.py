"""Checkpoints of a PyTorch training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picasso.training.journal import Moment, keep


def save_checkpoint(
    module: Any,
    folder: str | Path,
    *,
    epoch: int | None = None,
    step: int | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Path:
    """Save a module's numbers as they are now. Call it before the first step, too: what learning changes begins there.

    Args:
        module: The torch.nn.Module; it is left as it is.
        folder: Where checkpoints are collected; it is made.
        epoch: Epochs that were finished.
        step: Steps that were made; one of the two must be given.
        metrics: Loss, accuracy and the like, by name.

    Returns:
        The file: a state dict.

    Raises:
        ConfigurationError: Neither epoch nor step is given.

    Example:
        >>> import torch
        >>> save_checkpoint(torch.nn.Linear(3, 2), "checkpoints", epoch=1, metrics={"loss": 0.3}).name
        'epoch-000001.pt'
    """
    import torch

    state = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items() if torch.is_tensor(tensor)}
    moment = Moment(epoch, step, metrics or {})
    return keep(Path(folder), moment, ".pt", lambda path: torch.save(state, path))
