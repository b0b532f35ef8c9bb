"""Which pictures of an index are looked at to see what a network makes of a class."""

from __future__ import annotations

import numpy as np

from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.even_choice import evenly_chosen
from picasso.core.index import PictureIndex
from picasso.core.model import Model
from picasso.core.targets import one_class


def class_pictures(
    model: Model, index: PictureIndex, written: str, most: int, least: int = 1, by_truth: bool = False
) -> tuple[int, list[int]]:
    """Return a class, and the places of its pictures.

    Args:
        model: A classifier.
        index: The pictures.
        written: The class, by name or number; "" for the one with the most pictures.
        most: Of more pictures, so many at even distances.
        least: So many are needed.
        by_truth: Whether, where classes are known, those count. Else the ones that the network sees.

    Raises:
        NotSupportedError: The network has no classes.
        TargetError: There is no such class, or it is a difference of two.
        NotFoundError: There are too few pictures of the class.
    """
    if not index.scores.shape[1]:
        raise NotSupportedError("The network gives no class to a whole picture, so none can be asked about.")
    known = by_truth and index.labelled
    classes = index.truth if known else index.scores.argmax(axis=1)
    label = one_class(model.target(written), "of") if written else int(np.bincount(classes[classes >= 0]).argmax())
    places = np.flatnonzero(classes == label).tolist()
    if len(places) < least:
        name = f"'{model.labels[label]}'"
        of = f"Of the {len(index)} pictures {len(places)} show {name}"
        taken = f"The network takes {len(places)} of {len(index)} pictures for {name}"
        raise NotFoundError(
            f"{of if known else taken}, and {least} {'is' if least == 1 else 'are'} needed.",
            "Name other pictures, or another class.",
        )
    return label, list(evenly_chosen(places, most))
