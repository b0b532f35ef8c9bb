"""Picasso: see what a trained image model looks at.

Everything here is loaded on first use; importing the package loads no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from picasso.auditing.findings import Findings as Findings
    from picasso.auditing.running import audit as audit
    from picasso.core.dataset import Dataset as Dataset
    from picasso.core.dataset import read_dataset as read_dataset
    from picasso.core.detective import try_conventions as try_conventions
    from picasso.core.errors import PicassoError as PicassoError
    from picasso.core.explaining import explain as explain
    from picasso.core.opening import load_model as load_model
    from picasso.core.preprocessing import Preprocessing as Preprocessing
    from picasso.core.result import Result as Result
    from picasso.core.result import Results as Results
    from picasso.core.video.filming import Film as Film
    from picasso.core.video.filming import explain_video as explain_video
    from picasso.scorecard.comparing import compare as compare
    from picasso.scorecard.comparison import Comparison as Comparison

_HOMES = {
    "Comparison": "picasso.scorecard.comparison",
    "Dataset": "picasso.core.dataset",
    "Film": "picasso.core.video.filming",
    "Findings": "picasso.auditing.findings",
    "PicassoError": "picasso.core.errors",
    "Preprocessing": "picasso.core.preprocessing",
    "Result": "picasso.core.result",
    "Results": "picasso.core.result",
    "audit": "picasso.auditing.running",
    "compare": "picasso.scorecard.comparing",
    "explain": "picasso.core.explaining",
    "explain_video": "picasso.core.video.filming",
    "load_model": "picasso.core.opening",
    "read_dataset": "picasso.core.dataset",
    "try_conventions": "picasso.core.detective",
}

__all__ = [
    "Comparison",
    "Dataset",
    "Film",
    "Findings",
    "PicassoError",
    "Preprocessing",
    "Result",
    "Results",
    "audit",
    "compare",
    "explain",
    "explain_video",
    "load_model",
    "read_dataset",
    "try_conventions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'picasso' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
