"""Panels as they are sent: arrays become addresses, templates HTML."""

from __future__ import annotations

from typing import Any

from picasso.web.answers.common import PREFIX
from picasso.web.plugin_templates import render_template


def panel_answer(panel: dict[str, Any], template: str) -> dict[str, Any]:
    """Return a kept panel as it is sent: arrays become addresses, templates HTML.

    Args:
        panel: As it is kept.
        template: Source of the visualization's template, or "".
    """
    if panel["kind"] == "template":
        shown = with_addresses(panel, pictures=True)
        return {**shown, "html": render_template(template, shown)}
    sent: dict[str, Any] = with_addresses(panel, pictures=False)
    return sent


def with_addresses(value: Any, *, pictures: bool) -> Any:
    """Return a kept JSON document with the addresses of its arrays in their places.

    Args:
        value: As it is kept.
        pictures: Whether arrays of bytes are sent as PNG.
    """
    if isinstance(value, dict):
        if set(value) == {"artifact", "dtype", "shape"}:
            address = f"{PREFIX}/artifacts/{value['artifact']}"
            if pictures and value["dtype"] == "uint8":
                return f"{address}.png"
            return {"url": address, "dtype": value["dtype"], "shape": value["shape"]}
        return {key: with_addresses(item, pictures=pictures) for key, item in value.items()}
    return [with_addresses(item, pictures=pictures) for item in value] if isinstance(value, list) else value
