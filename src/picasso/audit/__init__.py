"""The tank test: whether a model is right for the right reason, asked of a whole data set."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from picasso.audit.findings import Findings


class _Room(ModuleType):
    """This package, which can be called: once it is imported, Python puts it where `picasso.audit()` was."""

    def __call__(self, model: Any, dataset: Any, **choices: Any) -> Findings:
        """Audit a model; see `picasso.audit.running.audit`."""
        from picasso.audit.running import audit

        return audit(model, dataset, **choices)


sys.modules[__name__].__class__ = _Room
