"""What the page shows of the further sections of an audit: shares of the evidence, and groups of alike maps.

What has another shape, a plug-in's say, is shown as the tables and lists that it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.auditing.findings import Interval
from picasso.auditing.report import drawing
from picasso.core.pictures import render
from picasso.core.result import safe_name

MOST_PROPOSALS = 12
SECTIONS = {
    "evidence": (
        "Maps: where the evidence lies",
        "Shares of the attribution, over the methods whose maps depend on the model. "
        "Maps only illustrate; the verdict is from changed pictures.",
    ),
    "clusters": (
        "Clusters: pictures with maps that are alike",
        "A cluster only proposes: it is confirmed where a change of the pictures agrees.",
    ),
}
"""Title and note of the sections that are known."""


@dataclass(frozen=True)
class Shares:
    """Where maps put the evidence.

    Args:
        parts: Into which the pictures are divided.
        rows: Over all pictures first, then for each class that has evidence, the share of every part.
        areas: Share of the picture that each part covers, what a map without any aim would reach; may be empty.
        warning: How maps and interventions disagree, or "".
        methods: Of each method its title and what is known of it.
        left_out: Of each method that is not used its title and why.
    """

    parts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Interval, ...]], ...]
    areas: tuple[float, ...]
    warning: str
    methods: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Proposal:
    """A group of pictures with maps that are alike.

    Args:
        sentence: What it is, and whether it was confirmed.
        map: Its mean map as a data: URL, or None.
        confirmed: Whether a change of the pictures agrees; None where none was tried.
    """

    sentence: str
    map: str | None
    confirmed: bool | None


def of(extras: Mapping[str, Any]) -> list[tuple[str, str, str, Any]]:
    """Return the sections that have content: id, title, note, and what is shown."""
    shown = []
    for name, document in extras.items():
        title, note = SECTIONS.get(name, (words(name), ""))
        if document:
            shown.append((f"extra-{safe_name(name)}", title, note, section(name, document)))
    return shown


def section(name: str, document: Any) -> Any:
    """Return how a section is shown: `Shares`, a tuple of `Proposal`, or the document as it is."""
    if (
        name == "evidence"
        and isinstance(document, Mapping)
        and {"parts", "classes", "shares", "by_class"} <= set(document)
    ):
        return _shares(document)
    if (
        name == "clusters"
        and isinstance(document, list)
        and all(isinstance(one, Mapping) and "sentence" in one for one in document)
    ):
        return tuple(_proposal(one) for one in document[:MOST_PROPOSALS])
    return document


def _shares(document: Mapping[str, Any]) -> Shares:
    named = [("All pictures", document["shares"]), *zip(document["classes"], document["by_class"], strict=True)]
    return Shares(
        parts=tuple(document["parts"]),
        rows=tuple((name, tuple(Interval(**one) for one in shares)) for name, shares in named if shares),
        areas=tuple(document.get("areas", ())),
        warning=document.get("disagreement", ""),
        methods=tuple((one["title"], one["tested"]["sentence"]) for one in document.get("methods", ())),
        left_out=tuple((one["title"], one["reason"]) for one in document.get("left_out", ())),
    )


def _proposal(document: Mapping[str, Any]) -> Proposal:
    return Proposal(document["sentence"], _picture(document.get("mean_map")), document.get("confirmed"))


def _picture(values: Any) -> str | None:
    """Draw a small map; None where there is none."""
    if not values:
        return None
    numbers = np.asarray(values, np.float32)
    pixels = render.colorize(numbers, "unsigned", render.shared_limits([numbers], "unsigned"))
    return drawing.enlarged(pixels)


def kind(value: Any) -> str:
    """Return how a part of a section is shown.

    Returns:
        "shares" or "proposals"; of a JSON document "interval", "facts", "table", "list", "picture" or "text".
    """
    if isinstance(value, Shares):
        return "shares"
    if isinstance(value, tuple) and value and isinstance(value[0], Proposal):
        return "proposals"
    if isinstance(value, dict):
        return "interval" if set(value) == {"value", "low", "high"} else "facts"
    if isinstance(value, list | tuple):
        flat = value and all(kind(row) == "facts" and not any(map(_nested, row.values())) for row in value)
        return "table" if flat else "list"
    return "picture" if isinstance(value, str) and value.startswith("data:image/png;base64,") else "text"


def _nested(value: Any) -> bool:
    return kind(value) == "facts" or (isinstance(value, list | tuple) and any(map(_nested, value)))


def words(key: str) -> str:
    """Return a key of a document as a title: "by_class" -> "By class"."""
    return str(key).replace("_", " ").replace("-", " ").capitalize()


def keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns of a table: every key of its rows, in the order in which they come."""
    return list(dict.fromkeys(key for row in rows for key in row))
