"""Runs an audit from its first picture to its findings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

from picasso.auditing.choices import Choices
from picasso.auditing.concluding import conclude
from picasso.auditing.findings import Findings
from picasso.auditing.measuring import Measuring, Report
from picasso.auditing.ray_connection import connection
from picasso.auditing.shelf import Shelf
from picasso.core.dataset import Dataset, read_dataset
from picasso.core.errors import ConfigurationError
from picasso.core.model import Model
from picasso.core.opening import load_model


def ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""


def audit(
    model: Model | str,
    dataset: Dataset | str | Path,
    *,
    source: str = "",
    options: Mapping[str, Any] = MappingProxyType({}),
    kept: Path | None = None,
    counterfactuals: Path | None = None,
    report: Report = ignore,
    **choices: Any,
) -> Findings:
    """Ask of a whole data set whether a model is right for the right reason.

    Args:
        model: From `load_model`, or what that opens.
        dataset: A folder with a folder for each class, a CSV, a COCO file, a zip of one of them, or "demo:tanks".
        source, options: Of an open model what `load_model` was given, for the processes that open it again.
        kept: Folder for what was measured already, so that an audit that was stopped goes on; None keeps nothing.
        counterfactuals: Folder for every picture with what the model relies on taken from another class, in a folder
            for each class, to train on; nothing is written where nothing is named.
        report: Called with (done, total, message); it may raise to stop.
        choices: See `Choices`.

    Returns:
        The findings, the verdict first.

    Raises:
        PicassoError: The model is no classifier of pictures, the data set is too small, its classes are unknown.

    Example:
        >>> findings = audit("demo:tank-proxy", "demo:tanks", limit=64, interventions=("bands",), maps=False)
        >>> print(findings.verdict.headline)
        WRONG REASON: the top of the picture
    """
    source = model if isinstance(model, str) else source
    opened = load_model(source, **options) if isinstance(model, str) else model
    pictures = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    chosen = Choices(**choices)
    if chosen.engine == "ray" and not source:
        raise ConfigurationError(
            "The workers of a cluster open the model for themselves, and a live one is here alone.",
            "Give what load_model opens: a name or a file.",
        )
    if chosen.engine == "ray":
        report(0, 1, "Connecting with the cluster")
    with connection(chosen.ray_address) if chosen.engine == "ray" else nullcontext():
        measuring = Measuring(opened, (source, dict(options)), pictures, chosen, Shelf(kept), report)
        measured = measuring.run()
    return conclude(measured, chosen, counterfactuals, report)
