"""A kept result as files: NPZ, JSON, PNG, or all of them in one archive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.panels import Panel
from picasso.core.pictures import render
from picasso.core.result import image_files, map_files, map_png, safe_name, stem_of
from picasso.core.tested import as_now, what_is_known
from picasso.service.artifacts import Artifacts
from picasso.service.panel_store import (
    read_curve,
    read_drawing,
    read_feature_maps,
    read_graph,
    read_heatmap,
    read_series,
    read_surface,
)
from picasso.service.records import ResultRecord

Format = Literal["npz", "json", "png", "zip", "svg", "dot", "tex"]
_DRAWABLE = ("heatmap", "feature-maps", "images", "series")
_LINES = {"svg": ("graph", "drawing", "curve", "surface"), "dot": ("graph",), "tex": ("graph",)}
"""Which kinds of panels are drawn with lines, by format."""
_TYPES = {
    "npz": "application/octet-stream",
    "json": "application/json",
    "png": "image/png",
    "zip": "application/zip",
    "svg": "image/svg+xml",
    "dot": "text/vnd.graphviz",
    "tex": "application/x-tex",
}


@dataclass(frozen=True)
class Export:
    """A file to download."""

    name: str
    media_type: str
    data: bytes


def export(
    result: ResultRecord, artifacts: Artifacts, form: Format, panel: str | None = None, bar: bool = False
) -> Export:
    """Write a result as a file.

    Args:
        result: The result.
        artifacts: Where its arrays are.
        form: "npz": the raw numbers. "json": every choice. "png": one panel. "svg": one graph, drawing or curve. "dot",
            "tex": one graph, for Graphviz or LaTeX. "zip": everything.
        panel: Which panel; by default the first that has the format.
        bar: For "png": with color bar.

    Raises:
        NotFoundError: There is no such panel, or a file of the result is gone.
        NotSupportedError: The panel has no such picture.
    """
    picture = result.document["picture"]
    stem = stem_of(str((picture or result.document["model"])["name"]), bool(picture), result.visualization)
    if form == "npz":
        data, name = artifacts.get(result.arrays), f"{stem}.npz"
    elif form == "json":
        data, name = _document(result), f"{stem}.json"
    elif form == "png":
        chosen = _drawable(result, panel, _DRAWABLE)
        label = safe_name(str(chosen.get("target") or chosen["id"]))
        data, name = _draw(chosen, artifacts, bar, _warning(result)), f"{stem}.{label}{'.bar' if bar else ''}.png"
    elif form in _LINES:
        chosen = _drawable(result, panel, _LINES[form])
        label = safe_name(str(chosen["id"]))
        data, name = image_files([_lines(chosen, artifacts)])[f"{label}.{form}"], f"{stem}.{label}.{form}"
    else:
        data, name = _archive(result, artifacts, stem), f"{stem}.zip"
    return Export(name, _TYPES[form], data)


def _document(result: ResultRecord) -> bytes:
    return json.dumps(as_now(result.document), indent=2, ensure_ascii=False).encode()


def _lines(wire: dict[str, Any], artifacts: Artifacts) -> Panel:
    """Return a kept graph, drawing, curve or surface."""
    read: dict[str, Callable[[dict[str, Any]], Panel]] = {
        "graph": read_graph,
        "drawing": read_drawing,
        "curve": read_curve,
        "surface": lambda wire: read_surface(wire, artifacts),
    }
    return read[wire["kind"]](wire)


def _drawable(result: ResultRecord, panel: str | None, kinds: Sequence[str]) -> dict[str, Any]:
    if panel is None:
        found = [wire for kind in kinds for wire in result.panels if wire["kind"] == kind]
        if not found:
            raise NotSupportedError("This result has no picture.", "Export it as npz or json.")
        return found[0]
    for wire in result.panels:
        if wire["id"] == panel:
            if wire["kind"] not in kinds:
                raise NotSupportedError(f"The panel '{panel}' has no picture.", "Export it as npz or json.")
            return wire
    known = ", ".join(str(wire["id"]) for wire in result.panels)
    raise NotFoundError(f"There is no panel '{panel[:80]}'.", f"Known: {known}.")


def _warning(result: ResultRecord) -> str:
    tested = what_is_known(result.document)
    return str(tested) if result.document["attributions"] and tested.warned else ""


def _draw(wire: dict[str, Any], artifacts: Artifacts, bar: bool, warning: str) -> bytes:
    if wire["kind"] == "heatmap":
        return map_png(read_heatmap(wire, artifacts), bar=bar, warning=warning)
    if wire["kind"] == "feature-maps":
        return render.png(read_feature_maps(wire, artifacts).contact_sheet())
    if wire["kind"] == "series":
        if (strip := read_series(wire, artifacts).filmstrip()) is None:
            raise NotSupportedError(f"The panel '{wire['id']}' has no picture.", "Export it as npz or json.")
        return render.png(strip)
    return render.png(render.to_image(artifacts.get_array(wire["pictures"][0]["artifact"])))


def _archive(result: ResultRecord, artifacts: Artifacts, stem: str) -> bytes:
    maps = [read_heatmap(wire, artifacts) for wire in result.panels if wire["kind"] == "heatmap"]
    contents = {"npz": artifacts.get(result.arrays), "json": _document(result)} | map_files(maps, _warning(result))
    for wire in result.panels:
        if wire["kind"] in _LINES["svg"]:
            contents |= image_files([_lines(wire, artifacts)])
        if wire["kind"] == "feature-maps":
            contents[f"{safe_name(str(wire['id']))}.png"] = _draw(wire, artifacts, False, "")
        if wire["kind"] == "series":
            contents |= image_files([read_series(wire, artifacts)])
        for number, picture in enumerate(wire["pictures"] if wire["kind"] == "images" else ()):
            drawn = render.to_image(artifacts.get_array(picture["artifact"]))
            contents[f"{safe_name(str(wire['id']))}-{number}.png"] = render.png(drawn)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(f"{stem}.{name}", data)
    return buffer.getvalue()
