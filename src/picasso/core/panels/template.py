"""A panel laid out by a plug-in's own template."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np

from picasso.core.panels.base import Panel


@dataclass(frozen=True, eq=False, kw_only=True)
class Template(Panel):
    """Values for the Jinja template that lies beside the plug-in.

    The page renders the template in a sandbox, under its content security policy: no script, no inline style.

    Args:
        values: What the template gets, JSON; arrays uint8 (h, w, 3) become the addresses of pictures.
    """

    kind: ClassVar[str] = "template"
    values: dict[str, Any] = field(default_factory=dict)

    def html(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(str(key))}</td><td>{escape(str(value))}</td></tr>"
            for key, value in self.values.items()
            if not isinstance(value, np.ndarray)
        )
        return f"<h4>{escape(self.title)}</h4><table>{rows}</table>"
