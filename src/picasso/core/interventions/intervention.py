"""The Intervention contract: a picture in which one property is another picture's.

An audit asks what a model relies on by changing pictures, not by looking at maps of them. For every picture and every
property it makes two pictures that differ in nothing but where the property was taken from: once from a picture of the
same class (the sham) and once from a picture of another class (the treatment). Seams, resampling and everything else
that a change does to a picture is in both, so what is left between their scores is the property.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Known = TypeVar("Known")

MARGIN = 0.02
"""How far beyond an object its edges and its shadow may reach, as a share of the picture's longer side."""

EDGE = 0.1
"""Share of the picture's height and width at each edge in which light and color are not measured: frames lie there."""

LEAST = 0.05
"""Share of a picture that is enough to measure light and color in."""

MOST = 0.75
"""Share of a picture that an object and its margin may cover where its background is asked for."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture of a data set as a model sees it, with what is known of it.

    Args:
        name: Its place in the data set: "tank/0001.png".
        view: What the model sees, uint8 RGB (h, w, 3). All pictures of an audit have one size.
        label: Its class, a number from 0.
        object: Where the object shows, bool (h, w); None where that is not known.
        regions: Which kind of region each pixel belongs to, from 0, int64 (h, w), -1 where to none. The same number
            is the same kind in every picture of the audit. None where no regions were found.
    """

    name: str
    view: Pixels
    label: int
    object: Mask | None = None
    regions: NDArray[np.int64] | None = None
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, what: Callable[[Seen], Known]) -> Known:
        """Return what a function says of this picture, asked the first time only.

        An audit takes dozens of properties from a picture and lays dozens of others into it.

        Args:
            what: Depends on this picture alone. What it returns is kept and shared, so nobody may write to it.
        """
        if what not in self._known:
            self._known[what] = what(self)
        found: Known = self._known[what]
        return found

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.view.shape[0], self.view.shape[1]

    @cached_property
    def around(self) -> Mask:
        """Where the object shows or its edges and shadow may, bool (h, w); nowhere where no object is known."""
        if self.object is None or not self.object.any():
            return np.zeros(self.size, np.bool_)
        from scipy import ndimage

        reach = max(2, round(MARGIN * max(self.size)))
        grown: Mask = ndimage.distance_transform_edt(~self.object) <= reach
        return grown

    @cached_property
    def context(self) -> Mask:
        """Everything but `around`, bool (h, w)."""
        return ~self.around

    @cached_property
    def middle(self) -> Mask:
        """`context` away from the edges, bool (h, w): where light and color are measured, so that a frame is neither.

        All of `context` where the object leaves little of it there.
        """
        height, width = self.size
        down, across = round(EDGE * height), round(EDGE * width)
        mask = np.zeros(self.size, np.bool_)
        mask[down : height - down, across : width - across] = True
        mask &= self.context
        return mask if mask.mean() >= LEAST else self.context

    @cached_property
    def plate(self) -> Pixels | None:
        """The picture without its object, whose place is filled with what surrounds it, uint8 (h, w, 3).

        None where the object covers more than `MOST` of the picture: too little is left to fill it with.
        """
        from picasso.core.interventions.filling import fill

        if self.around.mean() > MOST:
            return None
        return fill(self.view, self.around) if self.around.any() else self.view


class Role(StrEnum):
    """What an effect of an intervention says.

    property: the model relies on what it should not, unless a person says that it should. surface, size: a part of what
    the object is, that counts as a property only where it carries a good share of what hangs on the object; see
    `thresholds`. object: the model relies on the object itself, which is the right reason. erasure: it needs the object
    to be there.
    """

    PROPERTY = "property"
    SURFACE = "surface"
    SIZE = "size"
    OBJECT = "object"
    ERASURE = "erasure"

    @property
    def accuses(self) -> bool:
        """Whether an effect may count against the model."""
        return self is Role.PROPERTY or self.is_part

    @property
    def is_part(self) -> bool:
        """Whether it is a part of what the object is."""
        return self in (Role.SURFACE, Role.SIZE)


class Need(StrEnum):
    """What an intervention has to know of every picture.

    object: where the object is. outline: where it ends, as masks and boxes say: a region that was found ends sooner on
    one background than on another. regions: which kind of region every pixel belongs to.
    """

    OBJECT = "object"
    OUTLINE = "outline"
    REGIONS = "regions"


@dataclass(frozen=True)
class Property:
    """Something of a picture that can be taken from another picture.

    Args:
        name: Registered with its results: "cell-r1c2". Unique over all interventions.
        title: For tables: "Cell in row 1, column 2".
        phrase: Completes "The model relies on ...": "what lies in the top left corner".
        box: Where it lies, (top, left, height, width) as shares of the picture; None where it is no rectangle.
        region: The kind of region that it is, or None.
        frame: How wide a frame around the picture it is, as a share of the shorter side; None where it is none.
    """

    name: str
    title: str
    phrase: str
    box: tuple[float, float, float, float] | None = None
    region: int | None = None
    frame: float | None = None

    @property
    def is_place(self) -> bool:
        """Whether it is what lies somewhere in the picture, and not how all of the picture or the object looks."""
        return self.box is not None or self.region is not None or self.frame is not None


class Intervention(ABC):
    """Takes properties of one picture from another. One file with one such class is one intervention.

    Class attributes:
        name: As its file: light_gradient.py -> "light-gradient".
        title: For people.
        role: What an effect says.
        on_object: Whether it changes the object, and not what surrounds it.
        needs: What has to be known of every picture.
        version: Raised whenever the pictures that it makes change.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    role: ClassVar[Role] = Role.PROPERTY
    on_object: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    version: ClassVar[int] = 1

    @abstractmethod
    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        """Return what can be taken, in a fixed order.

        Args:
            size: (height, width) of the pictures, pixels.
            regions: Names of the kinds of regions, "bright area at the top"; empty where none were found.
        """

    @abstractmethod
    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        """Return a picture that has one property of `source` and else is `to`.

        Args:
            what: One of `properties`.
            to: The picture that is changed; it is left as it is.
            source: The picture that the property is taken from, of the same size.
            rng: For what has to be drawn; the sham and the treatment of a picture get equal ones.

        Returns:
            uint8 (h, w, 3); None where these two pictures do not allow it: one has no object, or not that region.
        """

    def pair(self, what: Property, seen: Seen, same: Seen, other: Seen, seed: int) -> tuple[Pixels, Pixels] | None:
        """Return the sham and the treatment of a picture; None where one of them cannot be made.

        Args:
            what: One of `properties`.
            seen: The picture.
            same, other: Pictures of the same and of another class.
            seed: Of what has to be drawn.
        """
        sham = self.take(what, seen, same, np.random.default_rng(seed))
        treatment = None if sham is None else self.take(what, seen, other, np.random.default_rng(seed))
        return None if sham is None or treatment is None else (sham, treatment)
