"""How an audit is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from picasso.auditing.thresholds import MOST_PICTURES


@dataclass(frozen=True)
class Choices:
    """How an audit is done.

    Args:
        match: Class of the data set -> the model's class, by label or index, where the names do not say it.
        limit: How many pictures are audited at most.
        seed: Of which pictures are drawn, and where properties are taken from.
        interventions: Names of the interventions; all where empty. With a part of them nothing is acquitted.
        confirmed: Where the object is not known: kind of region -> whether a person says that it is the object.
        processes: How many processes measure, each with a copy of the model; 0: this one.
        maps: Whether maps are made, to illustrate: where the evidence lies, and groups of alike maps.
        regions: Whether regions are looked for in the pictures even where the data set says where the objects are:
            slower, and the answer may name a region instead of a part of the frame.
        engine: What measures: processes of this computer, or workers of a Ray cluster; the numbers are the same.
        ray_address: Of the cluster; see `connection`. `processes` is how many workers at most; 0: one per processor.
    """

    match: Mapping[str, str | int] = field(default_factory=dict)
    limit: int = MOST_PICTURES
    seed: int = 0
    interventions: tuple[str, ...] = ()
    confirmed: Mapping[str, bool] = field(default_factory=dict)
    processes: int = 0
    maps: bool = True
    regions: bool = False
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
