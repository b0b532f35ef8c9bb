"""Whether a method's maps are known to depend on what a model has learned: the one place for these words.

The scorecard shuffles a network's weights and looks whether a method's maps change. What it finds is kept on disk, once
for each model, method and settings, and read here wherever a map is shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from picasso.core import registry

FORMAT = 2
"""Of what is kept; a change means that everything is tested anew."""
WARNING = (
    "Warning: this map hardly changes when the network's weights are shuffled: it shows the picture, not what the "
    "model learned."
)


class Standing(StrEnum):
    """What is known of a map."""

    UNTESTED = "untested"
    PASSED = "passed"
    WARNED = "warned"


@dataclass(frozen=True)
class Tested:
    """What randomization showed of a method on a model.

    Args:
        standing: Untested, passed or warned.
        similarity: Rank correlation of its maps with those of the shuffled network, -1..1; None where untested.

    Example:
        >>> print(Tested(Standing.PASSED, 0.12))
        passes the randomization test (ρ = .12)
    """

    standing: Standing
    similarity: float | None = None

    @property
    def warned(self) -> bool:
        """Whether the map shows the picture rather than the model."""
        return self.standing is Standing.WARNED

    def __str__(self) -> str:
        if self.standing is Standing.UNTESTED:
            return "untested"
        return WARNING if self.warned else f"passes the randomization test (ρ = {_short(self.similarity or 0.0)})"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"standing": str(self.standing), "similarity": self.similarity, "sentence": str(self)}


def _read(model: str, method: tuple[str, str, int], settings: Mapping[str, Any]) -> Tested:
    """Read what is known of a method's maps of a model.

    Args:
        model: The model's digest.
        method: The method's name, digest and version.
        settings: Its settings as JSON.
    """
    try:
        kept = json.loads(kept_file(model, method, settings).read_text("utf-8"))
        standing = Standing.PASSED if kept["passed"] else Standing.WARNED
        return Tested(standing, float(kept["similarity"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Tested(Standing.UNTESTED)


def what_is_known(record: Mapping[str, Any]) -> Tested:
    """Read what is known of the maps of a result, from its record or its document. Channels of layers are untested."""
    if of_channel(record):
        return Tested(Standing.UNTESTED)
    shown = record["visualization"]
    return _read(record["model"]["digest"], (shown["name"], shown["digest"], shown["version"]), record["settings"])


def of_channel(record: Mapping[str, Any]) -> bool:
    """Say whether a result is of a channel of a layer, which randomization does not look at."""
    return str(record.get("at") or "").startswith("channel=")


def as_now(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result's document with what is known of its maps today: it may have been written before the test."""
    return dict(document) | ({"tested": what_is_known(document).document()} if document["attributions"] else {})


def kept_file(model: str, method: tuple[str, str, int], settings: Mapping[str, Any]) -> Path:
    """Return the file in which the scorecard keeps what randomization showed."""
    key = {"format": FORMAT, "model": model, "method": list(method), "settings": dict(settings)}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return registry.home() / "scorecard" / f"{digest}.json"


def _short(value: float) -> str:
    """Write a correlation with two decimals, without the zero before them, the minus as a sign."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("0.", ".", 1).replace("-", "−")
