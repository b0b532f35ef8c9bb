"""A labelled data set: what is known of it without opening its pictures, and its pictures one by one."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from picasso.core.dataset.example import Example, Skipped
from picasso.core.dataset.outlines import Outlines
from picasso.core.errors import PictureError
from picasso.core.pictures.depth import upright
from picasso.core.pictures.images import Picture, decode_picture, orientation_of
from picasso.core.pictures.mask_files import Mask, read_mask

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures. It says what is there; whether that suffices is for others to judge.

    Args:
        name: For people: "demo:tanks", or the folder's or file's name.
        classes: Names of the classes that have examples: as people sort them, or in the order that a COCO file gives.
        examples: In a fixed order.
        skipped: What is no example, and why.
        notes: What a reader should know, one sentence each.
    """

    name: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many examples each class has, in the order of the classes."""
        found = Counter(example.label for example in self.examples)
        return {label: found[label] for label in self.classes}

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of names, labels, outlines, boxes, columns, and the sizes and dates of the files.

        Ten thousand files cannot be read whenever one wants to know whether a result is still true; their dates can.
        Members of a zip archive have check sums instead. So a copy of a folder may have another digest, and a changed
        folder never has the same. The digest of one picture's bytes is `Picture.digest`.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for example in self.examples:
            mask = None if example.mask is None else example.mask.stamp
            facts = (example.name, example.label, example.source.stamp, mask, example.boxes, dict(example.columns))
            digest.update(json.dumps(facts, sort_keys=True).encode())
        return digest.hexdigest()

    def read(self, example: Example) -> bytes:
        """Return the bytes of an example's file.

        Raises:
            PictureError: They cannot be read.
        """
        return example.source.read()

    def picture(self, example: Example) -> Picture:
        """Decode an example.

        Raises:
            PictureError: Its file cannot be read, is no picture, damaged, or too large.
        """
        return decode_picture(self.read(example), example.name)

    def object_mask(self, example: Example, picture: Picture) -> Mask | None:
        """Return where an example's object is, by its mask, or else by its boxes, which are filled.

        A mask of a picture that was turned upright (EXIF) fits the upright picture, or the picture as it is stored and
        is then turned alike.

        Args:
            example: The example.
            picture: What `picture` returned for it.

        Returns:
            bool (h, w) of the picture as decoded; all False where the mask says that no object is there. None where
            neither a mask nor a box is known.

        Raises:
            PictureError: The mask is no picture, damaged, or of another size than the picture: it is never stretched.
                Or no box lies in the picture.
        """
        size = picture.height, picture.width
        if example.mask is None:
            return _filled(example, size) if example.boxes else None
        if isinstance(example.mask, Outlines):
            mask = example.mask.draw(size)
        else:
            mask = read_mask(example.mask.read(), f"The mask of {example.name}")
        if mask.shape != size and mask.shape == size[::-1]:
            mask = np.ascontiguousarray(upright(mask, orientation_of(self.read(example))))
        if mask.shape != size:
            raise PictureError(
                f"The mask of {example.name} has {mask.shape[1]} x {mask.shape[0]} pixels, its picture "
                f"{picture.width} x {picture.height}.",
                "Make it the picture's size.",
            )
        return mask

    def duplicates(self, progress: Progress | None = None) -> tuple[tuple[Example, ...], ...]:
        """Find examples whose files are the same, byte by byte; only files of one size are read.

        Args:
            progress: Called with how many files have been read, and how many must be.

        Returns:
            Groups of two or more, each in the data set's order. Those of several classes contradict each other.
        """
        by_size: defaultdict[int, list[Example]] = defaultdict(list)
        for example in self.examples:
            by_size[example.source.size].append(example)
        alike = [example for group in by_size.values() if len(group) > 1 for example in group]
        same: defaultdict[str, list[Example]] = defaultdict(list)
        for done, example in enumerate(alike, 1):
            try:
                same[hashlib.sha256(self.read(example)).hexdigest()].append(example)
            except PictureError:
                continue  # it is found again when its picture is asked for
            finally:
                if progress is not None:
                    progress(done, len(alike))
        return tuple(tuple(group) for group in same.values() if len(group) > 1)


def _filled(example: Example, size: tuple[int, int]) -> Mask:
    """Fill boxes: every pixel that one touches."""
    mask: Mask = np.zeros(size, np.bool_)
    for box in example.boxes:
        (left, right), (top, bottom) = (_pixels(box[axis], box[axis + 2], size[1 - axis]) for axis in (0, 1))
        mask[top:bottom, left:right] = True
    if not mask.any():
        raise PictureError(
            f"No box of {example.name} lies in its picture of {size[1]} x {size[0]} pixels.",
            "Give left, top, width, height in pixels of the picture.",
        )
    return mask


def _pixels(start: float, length: float, side: int) -> tuple[int, int]:
    low, high = int(np.floor(max(start, 0.0))), int(np.ceil(min(start + length, side)))
    return low, max(low, high)


def is_box(box: Sequence[float]) -> bool:
    """Say whether four numbers are a box (left, top, width, height)."""
    return len(box) == 4 and all(map(math.isfinite, box)) and box[2] > 0 and box[3] > 0
