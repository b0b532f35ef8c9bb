"""How a part of the network that somebody chose becomes settings of a visualization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from picasso.core.errors import SettingsError


@dataclass(frozen=True)
class Part:
    """A part of a network.

    Args:
        layer: A layer's name, or "" for the whole network.
        channel: One of its channels, counted from 0, or None for all.
    """

    layer: str = ""
    channel: int | None = None


WHOLE = Part()
"""The network as it is."""


def aimed(title: str, schema: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Return the settings that have a visualization look at a part.

    Args:
        title: The visualization's.
        schema: JSON schema of its settings, which say of themselves that they take a layer, a channel, an objective.
        part: What is looked at.

    Raises:
        SettingsError: It looks at no layer, or at no single channel.
    """
    if not part.layer:
        return {}
    slots = {
        str(facts.get("picasso", {}).get("choices", "")).removeprefix("spatial-"): name
        for name, facts in schema.get("properties", {}).items()
    }
    if "objective" in slots:
        return {slots["objective"]: part.layer if part.channel is None else f"{part.layer}:{part.channel}"}
    if "layers" not in slots:
        raise SettingsError(f"{title} looks at no layer.", "Leave the layer out, or choose another visualization.")
    if part.channel is None:
        return {slots["layers"]: part.layer}
    if "channels" not in slots:
        raise SettingsError(f"{title} looks at no single channel.", "Leave the channel out.")
    return {slots["layers"]: part.layer, slots["channels"]: part.channel}
