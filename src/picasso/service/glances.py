"""Questions of the live page: one frame of a camera or a video, and one map of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from picasso.core.errors import NotSupportedError, PictureError
from picasso.core.facts import Task
from picasso.core.glance import Glance, refuse_clips
from picasso.core.result_keys import target_key
from picasso.core.visualization import Family
from picasso.service.cards import Card, unfit
from picasso.service.catalog import Catalog
from picasso.service.plugin_process import Description
from picasso.service.questions import Question, Reply
from picasso.service.store import Store

MOST_BYTES = 4 * 2**20
"""Of one frame: the page sends it as small as the network reads it, some hundred kilobytes at most."""
FRAME_TOO_LARGE = (
    f"A frame may hold {MOST_BYTES // 2**20} MB. This one is larger.",
    "Send it as small as the network reads it.",
)
"""What is said of a larger one, and what to do."""
MOST_SECONDS = 20
"""A map that takes longer for one frame is refused: nobody watches that, and the worker is not free for others."""


@dataclass(frozen=True)
class GlanceReply(Reply):
    """What a worker found.

    Args:
        glance: The map and the classes.
    """

    glance: Glance


@dataclass(frozen=True)
class GlanceQuestion(Question):
    """What is asked.

    Args:
        frame: The bytes of a picture's file; none once the question is over.
        visualization: Name of what gives the map.
        settings: Of the visualization; those left out have their defaults.
        target: The class to explain, by index, label or "a - b"; None for the best one of the frame.
        top: How many of the best classes are told.
        channel: Of a layer's maps the one to show; None for the mean size over all.
        viewer: Who watches: of one viewer's questions that wait, only the newest is answered.
    """

    frame: bytes = field(repr=False)
    visualization: str
    settings: Mapping[str, Any]
    target: int | str | None = None
    top: int = 5
    channel: int | None = None
    viewer: str = ""

    @property
    def asker(self) -> str:
        return self.viewer

    def checked(self, store: Store, catalog: Catalog, card: Card | None) -> Self:
        """Refuse at once what is known not to fit; return the question with complete settings.

        Raises:
            PictureError: The frame is too large.
            NotFoundError, PluginError: There is no such visualization, or it is broken.
            SettingsError: A setting is not allowed, or names a place that a page may not name.
            NotSupportedError: The visualization gives no map of a frame, is too slow to watch, or does not fit the
                model; it reads clips.
            TargetError: There is no such class.
        """
        if len(self.frame) > MOST_BYTES:
            raise PictureError(*FRAME_TOO_LARGE)
        visualization = catalog.get(self.visualization)
        refuse_mapless(visualization)
        if visualization.family == Family.PERTURBATION:
            raise NotSupportedError(
                f"{visualization.title} runs the model many times for one map: too slow to watch.",
                "Choose another visualization, or use it on a still.",
            )
        asked = replace(self, settings=catalog.read_settings(self.visualization, self.settings))
        if card is None:
            return asked
        refuse_clips(card.frames)
        if reason := unfit(visualization, card):
            raise NotSupportedError(reason, "Choose another visualization.")
        if self.target is not None and card.task == Task.CLASSIFICATION:
            target_key(self.target, card.labels, card.columns, Task.CLASSIFICATION)
        return asked

    def answered(self) -> Self:
        return replace(self, frame=b"")


def refuse_mapless(visualization: Description) -> None:
    """Refuse what gives no map that can be laid over a frame: it is never run, whatever it would read.

    Raises:
        NotSupportedError: It is neither an attribution method nor activations.
    """
    if not visualization.attributes and visualization.name != "activations":
        raise NotSupportedError(
            f"{visualization.title} gives no map of a picture, so there is nothing to lay over a frame.",
            "Choose an attribution method, or activations of a layer that has space.",
        )


def too_slow(title: str) -> NotSupportedError:
    """Return the error of a map that took too long for one frame."""
    return NotSupportedError(
        f"{title} took more than {MOST_SECONDS} seconds for one frame.", "Choose a quicker one, or use it on a still."
    )
