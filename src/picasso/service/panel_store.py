"""Panels as JSON beside arrays that lie among the artifacts, and back."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from picasso.core.diagram import Arc, Box, Role
from picasso.core.errors import PluginError
from picasso.core.panels import Curve, Drawing, FeatureMaps, Heatmap, NetworkGraph, Panel, Series, Surface
from picasso.core.panels.curve import Line
from picasso.core.panels.feature_maps import ChannelMeasure
from picasso.core.panels.series import Step
from picasso.core.panels.surface import Contour, Stop
from picasso.core.preprocessing import Frame
from picasso.service.artifacts import Artifacts, StoredArray

GRACE_SECONDS = 60.0
"""How long the arrays of a replaced panel can still be read: a page may have heard of it and not asked yet."""


class Replaced:
    """Arrays that nothing refers to any more, on their way out.

    Those of one task are deleted by a later one of the same process, which therefore has to remember them; what a
    process leaves behind when it ends is swept at the next start.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Artifacts, str, int]] = deque()

    def add(self, artifacts: Artifacts, digests: Iterable[str]) -> None:
        """Note that nothing refers to these arrays."""
        moment = time.monotonic()
        self._waiting.extend((moment, artifacts, digest, artifacts.touched(digest)) for digest in digests)

    def delete(self, older_than: float) -> None:
        """Delete those that were noted so many seconds ago, but none that was wanted again since."""
        while self._waiting and time.monotonic() - self._waiting[0][0] >= older_than:
            _, artifacts, digest, touched = self._waiting.popleft()
            if artifacts.touched(digest) == touched:
                artifacts.discard(digest)


REPLACED = Replaced()
"""This process's; empty in every process but a worker."""


class ShownPanels:
    """The panels of a task at work. One that is shown again under its id takes the place of the earlier one.

    Args:
        artifacts: Where their arrays are kept.
        grace: Seconds for which those of a replaced panel can still be read.
    """

    def __init__(self, artifacts: Artifacts, grace: float = GRACE_SECONDS) -> None:
        self._artifacts, self._grace = artifacts, grace
        self._shown: dict[str, tuple[Panel, dict[str, Any], frozenset[str]]] = {}
        self._written: set[str] = set()

    def keep(self, panel: Panel) -> dict[str, Any]:
        """Return a panel as JSON; its arrays are written once.

        Raises:
            PluginError: The panel holds something that is neither JSON nor an array.
        """
        shown = self._shown.get(panel.id)
        if shown is None or shown[0] is not panel:
            kept, arrays = keep_panel(panel, self._artifacts)
            self._written.update(array.artifact for array in arrays if array.new)
            shown = self._shown[panel.id] = (panel, kept, frozenset(array.artifact for array in arrays))
        return shown[1]

    def forget_replaced(self) -> None:
        """Let go of the arrays that only replaced panels held. What lay there before is somebody else's."""
        wanted = frozenset[str]().union(*(arrays for _, _, arrays in self._shown.values()))
        REPLACED.add(self._artifacts, self._written - wanted)
        REPLACED.delete(older_than=self._grace)
        self._written &= wanted


def keep_panel(panel: Panel, artifacts: Artifacts) -> tuple[dict[str, Any], tuple[StoredArray, ...]]:
    """Turn a panel into JSON in which an array is {"artifact": digest, "dtype": ..., "shape": [...]}.

    Returns:
        The JSON, and the arrays that it names.

    Raises:
        PluginError: The panel holds something that is neither JSON nor an array.
    """
    wire, arrays = panel.to_wire()
    kept = {name: artifacts.put_array(np.asarray(values)) for name, values in arrays.items()}

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"array"} and value["array"] in kept:
                stored = kept[value["array"]]
                return {"artifact": stored.artifact, "dtype": stored.dtype, "shape": list(stored.shape)}
            return {key: replace(item) for key, item in value.items()}
        return [replace(item) for item in value] if isinstance(value, list) else value

    try:
        plain: dict[str, Any] = json.loads(json.dumps(finite(replace(wire))))
    except (TypeError, ValueError) as error:
        raise PluginError(f"The panel '{panel.id}' holds something that is no JSON: {error}.") from None
    return plain, tuple(kept.values())


def finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def read_heatmap(wire: dict[str, Any], artifacts: Artifacts) -> Heatmap:
    """Return a kept map with its arrays."""
    values = {key: value for key, value in wire.items() if key != "kind"}
    for key in ("values", "picture", "native"):
        if values.get(key) is not None:
            values[key] = artifacts.get_array(values[key]["artifact"])
    low, high = values["limits"]
    frame = Frame(**values["frame"]) if values.get("frame") else None
    return Heatmap(**values | {"limits": (low, high), "notes": tuple(values["notes"]), "frame": frame})


def read_feature_maps(wire: dict[str, Any], artifacts: Artifacts) -> FeatureMaps:
    """Return the kept channels of a layer with their arrays."""

    def array(reference: dict[str, Any]) -> Any:
        return artifacts.get_array(reference["artifact"])

    values = {key: value for key, value in wire.items() if key != "kind"}
    low, high = values["limits"]
    measures = tuple(ChannelMeasure(**one | {"values": array(one["values"])}) for one in values["measures"])
    picture = array(wire["picture"]) if wire["picture"] else None
    given = {"values": array(wire["values"]), "picture": picture, "measures": measures}
    return FeatureMaps(**values | given | {"limits": (low, high)})


def read_curve(wire: dict[str, Any]) -> Curve:
    """Return a kept curve."""
    values = {key: value for key, value in wire.items() if key != "kind"}
    lines = tuple(Line(one["label"], tuple(one["values"])) for one in values["lines"])
    limits = (values["limits"][0], values["limits"][1]) if values["limits"] else None
    given = {"x": tuple(values["x"]), "ticks": tuple(values["ticks"]), "lines": lines, "limits": limits}
    return Curve(**values | given)


def read_series(wire: dict[str, Any], artifacts: Artifacts) -> Series:
    """Return kept steps with their pictures, without their panels."""
    values = {key: value for key, value in wire.items() if key != "kind"}
    steps = tuple(
        Step(one["label"], (), artifacts.get_array(one["picture"]["artifact"]) if one["picture"] else None)
        for one in wire["steps"]
    )
    return Series(**values | {"steps": steps})


def read_surface(wire: dict[str, Any], artifacts: Artifacts) -> Surface:
    """Return a kept surface."""
    values = {key: value for key, value in wire.items() if key != "kind"}
    given = {
        "x": tuple(wire["x"]),
        "y": tuple(wire["y"]),
        "values": artifacts.get_array(wire["values"]["artifact"]),
        "contours": tuple(Contour(one["level"], tuple((x, y) for x, y in one["points"])) for one in wire["contours"]),
        "path": tuple(Stop(**stop) for stop in wire["path"]),
        "mark": tuple(wire["mark"]) if wire["mark"] else None,
    }
    return Surface(**values | given)


def read_graph(wire: dict[str, Any]) -> NetworkGraph:
    """Return a kept graph."""
    values = {key: value for key, value in wire.items() if key != "kind"}
    boxes = tuple(Box(**one | {"role": Role(one["role"]), "shape": tuple(one["shape"])}) for one in wire["boxes"])
    given = {"boxes": boxes, "arcs": tuple(Arc(**one) for one in wire["arcs"]), "notes": tuple(wire["notes"])}
    return NetworkGraph(**values | given)


def read_drawing(wire: dict[str, Any]) -> Drawing:
    """Return a kept drawing."""
    return Drawing(**{key: value for key, value in wire.items() if key != "kind"})
