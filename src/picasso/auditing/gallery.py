"""The pictures of an audit as the model sees them, read when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.eye import Eye
from picasso.core.dataset import Dataset, Example
from picasso.core.interventions.intervention import Mask, Pixels, Seen

if TYPE_CHECKING:
    from picasso.auditing.regions.kinds import RegionKinds

CACHED = 256 * 224 * 224
"""Pixels of the pictures that are held at a time at most; with all that is known of them, some 250 MB."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What is known of the parts of the pictures, where the data set brings no objects.

    Args:
        kinds: The kinds of regions that were found in the pictures.
        object: Numbers of the kinds that a person has said are the object.
    """

    kinds: RegionKinds
    object: tuple[int, ...] = ()


class Gallery:
    """Pictures of a data set by their number in the audit.

    Args:
        dataset: Where they come from.
        examples: Those that are audited.
        labels: The class of each, a number from 0.
        eye: How the model sees them.
        parts: The kinds of regions; None where the data set's own objects are used alone.
        masks: Whether the data set's own objects are used.
    """

    def __init__(
        self,
        dataset: Dataset,
        examples: Sequence[Example],
        labels: Sequence[int],
        eye: Eye,
        parts: Parts | None = None,
        masks: bool = True,
    ) -> None:
        self.dataset, self.examples, self.labels, self.eye = dataset, tuple(examples), tuple(labels), eye
        self.parts, self.masks = parts, masks
        self._seen: OrderedDict[int, Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self.examples)

    def seen(self, number: int) -> Seen:
        """Return a picture as the model sees it.

        Raises:
            PictureError: It or its mask cannot be read.
        """
        if number in self._seen:
            self._seen.move_to_end(number)
            return self._seen[number]
        example = self.examples[number]
        picture = self.dataset.picture(example)
        view = self.eye.see(picture)
        mask = self.dataset.object_mask(example, picture) if self.masks else None
        shown, regions = self._parts(view, None if mask is None else self.eye.see_mask(mask))
        self._seen[number] = Seen(example.name, view, self.labels[number], shown, regions)
        if len(self._seen) > max(8, CACHED // view[..., 0].size):
            self._seen.popitem(last=False)
        return self._seen[number]

    def _parts(self, view: Pixels, mask: Mask | None) -> tuple[Mask | None, NDArray[np.int64] | None]:
        if self.parts is None:
            return mask, None
        regions = self.parts.kinds.label(view)
        if mask is None and self.parts.object:
            mask = np.isin(regions, self.parts.object)
            regions = np.where(mask, -1, regions)
        return mask, regions
