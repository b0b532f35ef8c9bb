"""Renders the templates that plug-ins bring, in a sandbox."""

from __future__ import annotations

from html import escape
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


def render_template(source: str, panel: dict[str, Any]) -> str:
    """Render a panel of the kind "template".

    Args:
        source: The template beside the plug-in, or "".
        panel: The panel as it is sent; arrays are addresses already.

    Returns:
        HTML. An error is shown in its place: the values are good even where the template is not.
    """
    if not source:
        return "<p>This visualization has no template file beside it any more.</p>"
    environment = ImmutableSandboxedEnvironment(autoescape=True)
    try:
        return environment.from_string(source).render(panel.get("values") or {})
    except TemplateError as error:
        return _failed(error)
    except Exception as error:  # a template can raise whatever its expressions raise
        return _failed(error)


def _failed(error: Exception) -> str:
    return f"<p>The template failed: {escape(type(error).__name__)}: {escape(str(error))}</p>"
