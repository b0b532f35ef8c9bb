"""Panels as JSON beside arrays that lie among the artifacts, and back."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from picasso.core.errors import PluginError
from picasso.core.panels import Heatmap, Panel
from picasso.core.preprocessing import Frame
from picasso.service.artifacts import Artifacts


def keep_panel(panel: Panel, artifacts: Artifacts) -> dict[str, Any]:
    """Turn a panel into JSON in which an array is {"artifact": digest, "dtype": ..., "shape": [...]}.

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
    return plain


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
