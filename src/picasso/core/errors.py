"""One small tree of errors: each says what was wrong, what was expected and how to mend it.

Every error carries a `code` that is the same in the page, the shell and Python, and survives the way
from a worker process to the browser.
"""

from __future__ import annotations

from typing import ClassVar


class PicassoError(Exception):
    """Anything that Picasso refuses or that failed in a known way.

    Args:
        message: One sentence that names what was got and what was expected.
        hint: One sentence that says what to do, or "".
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class PictureError(PicassoError):
    """The bytes or the array are not a picture that can be used."""

    code = "bad-picture"


class SettingsError(PicassoError):
    """A setting has a value that it must not have."""

    code = "bad-settings"


class TargetError(PicassoError):
    """The target is no class of this model."""

    code = "bad-target"


class EditError(PicassoError):
    """What was painted does not fit the picture, or is too large."""

    code = "bad-edit"


class LabelsError(PicassoError):
    """The labels cannot be read, or their number is not the model's."""

    code = "bad-labels"


class DatasetError(PicassoError):
    """The data set cannot be read, or its classes are not the model's."""

    code = "bad-dataset"


class ModelFileError(PicassoError):
    """The file is not a model, or not the one that its name or factory promises."""

    code = "bad-model"


class UnsafeModelError(PicassoError):
    """Opening the file would run code that comes with it."""

    code = "unsafe-model"


class ModelFailedError(PicassoError):
    """The model raised an error while it ran."""

    code = "model-failed"


class ModelOutputError(PicassoError):
    """The model ran and returned something unusable: NaN, infinity, the wrong shape."""

    code = "bad-output"


class OutOfMemoryError(PicassoError):
    """The device's memory does not suffice even for one picture at a time."""

    code = "out-of-memory"


class MissingExtraError(PicassoError):
    """A framework is needed that is not installed."""

    code = "missing-extra"


class NotSupportedError(PicassoError):
    """The model lacks what the visualization needs."""

    code = "not-supported"


class NotFoundError(PicassoError):
    """There is no model, visualization, picture, job or result of that name."""

    code = "not-found"


class PluginError(PicassoError):
    """A plug-in is broken: its file does not import, or it breaks the contract."""

    code = "bad-plugin"


class ConfigurationError(PicassoError):
    """picasso.toml, an option or an environment variable has an unusable value."""

    code = "bad-configuration"


class CanceledError(PicassoError):
    """The work was canceled by whoever asked for it."""

    code = "canceled"


class WorkerDiedError(PicassoError):
    """The process that held the model ended: it crashed, was killed or ran out of memory."""

    code = "worker-died"


def by_code() -> dict[str, type[PicassoError]]:
    """Return every error class under its code, so that an error can be read back from the wire."""
    kinds: list[type[PicassoError]] = [PicassoError, *PicassoError.__subclasses__()]
    return {kind.code: kind for kind in kinds}
