"""The panels of a run as they come, and what a visualization raises put in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from picasso.core.errors import OutOfMemoryError, PicassoError, PluginError
from picasso.core.model import Model
from picasso.core.panels import Panel
from picasso.core.registry import Entry


class Shown:
    """The panels that a visualization yields or shows, the last of each id; what it raises is put in words.

    Args:
        entry: The visualization.
        show: Called with each panel; None where nobody watches.
    """

    def __init__(self, entry: Entry, show: Callable[[Panel], None] | None) -> None:
        self.panels: dict[str, Panel] = {}
        self._title, self._show = entry.load().title, show
        self._mend = "This is a bug in the visualization." if entry.origin == "built-in" else f"Mend {entry.path}."

    @property
    def watched(self) -> bool:
        return self._show is not None

    def keep(self, panel: Panel) -> None:
        if not isinstance(panel, Panel):
            raise PluginError(f"{self._title} must yield panels. Got {type(panel).__name__}.", self._mend)
        self.panels[panel.id] = panel
        if self._show:
            self._show(panel)

    def all(self, model: Model, begin: Callable[[], Iterable[Panel]]) -> None:
        """Keep every panel of a visualization, from its making on."""
        with self.calling(model):
            for panel in begin():
                self.keep(panel)

    @contextmanager
    def calling(self, model: Model) -> Iterator[None]:
        """Turn what a visualization raises into one of Picasso's errors."""
        try:
            yield
        except PicassoError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, Exception) and model.is_out_of_memory(error):
                raise OutOfMemoryError(
                    "The device's memory does not suffice.",
                    "Use a smaller batch, a smaller picture or another device.",
                ) from error
            raise PluginError(f"{self._title} raised {type(error).__name__}: {error}", self._mend) from error
