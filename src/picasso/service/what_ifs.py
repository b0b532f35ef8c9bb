"""Questions of the what-if brush: the scores of a picture that was painted over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from picasso.core.asking import read_place
from picasso.core.edits import Edit
from picasso.core.errors import EditError, NotSupportedError, TargetError
from picasso.core.facts import Task
from picasso.core.what_if import Change, stills_only
from picasso.service.cards import Card
from picasso.service.catalog import Catalog
from picasso.service.questions import Question, Reply
from picasso.service.store import Store


@dataclass(frozen=True)
class WhatIfReply(Reply):
    """What a worker found.

    Args:
        height, width: Of the network's input.
        change: The scores before and after.
        looks: How the input and the fills look, where that was asked for.
    """

    height: int
    width: int
    change: Change
    looks: dict[str, str] | None


@dataclass(frozen=True)
class WhatIfQuestion(Question):
    """What is asked.

    Args:
        picture: Digest.
        edit: What was painted; None asks for the unpainted picture.
        targets: Class indices, labels or differences whose scores are wanted in any case.
        top: How many of the best classes, before and after.
        at: Where a segmenter or detector is asked, as in a job.
        looks: Whether to send how the input and the fills look.
    """

    picture: str
    edit: Edit | None
    targets: tuple[int | str, ...] = ()
    top: int = 5
    at: str | None = None
    looks: bool = False

    def checked(self, store: Store, catalog: Catalog, card: Card | None) -> Self:
        """Refuse at once what is known not to fit; return the question.

        Raises:
            NotFoundError: There is no such picture.
            EditError, TargetError: It does not fit the model.
            NotSupportedError: The model reads clips.
        """
        store.picture(self.picture)
        place = read_place(self.at)
        if place is not None and place.mask is not None:
            raise TargetError(
                "A question is about a pixel, a box or a detection.", "Give x,y or left,top,width,height."
            )
        if card is None:
            return self
        if reason := stills_only(card.frames):
            raise NotSupportedError(reason, "Look at a network of pictures.")
        if place is not None and place.channel is None and card.task == Task.CLASSIFICATION:
            raise TargetError("A classifier answers for the whole picture, not for a place in it.", "Leave it out.")
        edit, (height, width, _) = self.edit, card.input_shape
        if edit is not None and (edit.height, edit.width) != (height, width):
            raise EditError(
                f"The network reads {width} x {height} pixels. Got an edit of {edit.width} x {edit.height}."
            )
        return self
