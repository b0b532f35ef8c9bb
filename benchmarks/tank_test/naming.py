"""Which properties name a kind of proxy: written down by what they change, before any audit was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

STRICT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sky": ("band-top", "band-upper", "luminance", "light-gradient-vertical"),
        "object-size": ("object-scale",),
        "object-tone": ("object-tone",),
        "color-cast": ("color-cast",),
        "watermark": ("corner-top-right", "cell-r1c4"),
        "border": ("border",),
        "background-texture": ("band-bottom", "band-lower"),
        "object-position": ("object-position",),
        "co-occurring-object": ("corner-bottom-left", "corner-bottom-right", "cell-r4c1", "cell-r4c4"),
        "object-texture": ("object-texture",),
        "high-frequency-noise": ("noise", "fine-detail"),
        "jpeg": ("jpeg-grid",),
    }
)
"""The narrowest properties of the battery that hold a kind; "context" and the like name nothing."""
PLACED = ("sky", "watermark", "border", "background-texture", "co-occurring-object")
"""Kinds that lie somewhere in the background."""
FITS = 0.3
"""Overlap (IoU) from which on a region that was found names the kind that lies there."""


def names(kind: str, suspect: str, iou: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether a suspect names a kind: by its own name, or a region by where it lies."""
    if suspect in STRICT[kind]:
        return True
    region = suspect.startswith(("region", "co-occurrence"))
    return region and kind in PLACED and iou.get(suspect, {}).get(kind, 0.0) >= FITS


def named(kinds: Sequence[str], found: Mapping[str, Any], most: int) -> bool:
    """Whether one of the first `most` suspects of an audit names one of the kinds that were tied."""
    return any(names(kind, suspect, found["iou"]) for kind in kinds for suspect in found["ranked"][:most])
