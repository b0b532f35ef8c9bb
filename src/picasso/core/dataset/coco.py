"""A COCO file: pictures, categories, and objects with boxes and outlines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from picasso.core.dataset.dataset import Dataset, is_box
from picasso.core.dataset.example import Box, Example, Skipped
from picasso.core.dataset.folders import fit_masks, unfitting
from picasso.core.dataset.outlines import Outlines, Runs
from picasso.core.dataset.places import Place, unreadable
from picasso.core.dataset.sources import printable
from picasso.core.errors import DatasetError
from picasso.core.pictures.images import MAX_PIXELS


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: int = Field(0, ge=0, le=MAX_PIXELS)
    height: int = Field(0, ge=0, le=MAX_PIXELS)


class _Category(BaseModel):
    id: int
    name: str


class _Packed(BaseModel):
    size: tuple[int, int]
    counts: str | list[int]


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int
    bbox: list[float] = []
    segmentation: list[list[float]] | _Packed = []

    @property
    def box(self) -> Box | None:
        return (self.bbox[0], self.bbox[1], self.bbox[2], self.bbox[3]) if is_box(self.bbox) else None

    @property
    def polygons(self) -> tuple[tuple[float, ...], ...]:
        """The outlines that have an area; the box's where there are neither outlines nor runs."""
        if isinstance(self.segmentation, _Packed):
            return ()
        drawn = tuple(
            tuple(corners)
            for corners in self.segmentation
            if len(corners) >= 6 and len(corners) % 2 == 0 and np.isfinite(corners).all()
        )
        if drawn or self.box is None:
            return drawn
        left, top, width, height = self.box
        right, bottom = left + width, top + height
        return ((left, top, right, top, right, bottom, left, bottom),)

    @property
    def runs(self) -> tuple[Runs, ...]:
        packed = self.segmentation
        if not isinstance(packed, _Packed):
            return ()
        counts = packed.counts if isinstance(packed.counts, str) else tuple(packed.counts)
        return (Runs(packed.size, counts),)

    @property
    def size(self) -> float:
        """How large the object is: what its box covers, square pixels."""
        if self.box is not None:
            return self.box[2] * self.box[3]
        corners = [np.reshape(polygon, (-1, 2)) for polygon in self.polygons]
        return float(sum(np.prod(np.ptp(points, axis=0)) for points in corners))


class _Document(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def looks_like_coco(data: bytes) -> bool:
    """Say whether a JSON file may be a COCO file, without reading all of it."""
    return data.lstrip()[:1] == b"{" and b'"images"' in data and b'"annotations"' in data


def read_coco(data: bytes, name: str, place: Place, masks: Place | None) -> Dataset:
    """Read a data set from a COCO file of instances.

    A picture's class is its objects' category; where it has several, that of its largest object. Its mask and boxes are
    those of all its objects of that class.

    Args:
        data: The file's bytes.
        name: The file's name.
        place: Where the pictures lie.
        masks: Masks that are to be used instead, each with its picture's name, or None.

    Raises:
        DatasetError: It is no COCO file, or names no picture that is there.
    """
    try:
        document = _Document.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DatasetError(
            f"{name} is no COCO file of instances: {where}: {first['msg']}.",
            "It needs images, annotations and categories.",
        ) from None
    names = {category.id: category.name for category in document.categories}
    objects: defaultdict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in document.annotations:
        objects[annotation.image_id].append(annotation)
    examples: dict[str, Example] = {}
    skipped = list(place.skipped)
    several = 0
    for image in document.images:
        found = objects[image.id]
        made = _example(image, found, names, place)
        if isinstance(made, Skipped):
            skipped.append(made)
        elif made.name in examples:
            skipped.append(Skipped(made.name, "It is listed twice.", made.label))
        else:
            examples[made.name] = made
            several += len({annotation.category_id for annotation in found}) > 1
    if not examples:
        first_reason = f" The first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DatasetError(
            f"{name} names no picture with objects that is there.{first_reason}",
            "Put the file beside the pictures' folder.",
        )
    notes = [f"{_many(several)} objects of several categories; the largest gives the class."] if several else []
    if masks is not None:
        fitting = fit_masks(masks.files, list(examples), masks.name)
        examples |= {key: replace(examples[key], mask=mask) for key, mask in fitting.items()}
        notes += unfitting(masks.files, fitting)
    used = {example.label for example in examples.values()}
    unused = [label for label in dict.fromkeys(names.values()) if label not in used]
    if unused:
        notes.append(f"Categories without a picture of their own: {', '.join(unused)}.")
    classes = tuple(label for label in dict.fromkeys(names.values()) if label in used)
    return Dataset(name, classes, tuple(examples.values()), tuple(skipped), tuple(notes))


def _example(
    image: _Image, objects: Sequence[_Annotation], names: Mapping[int, str], place: Place
) -> Example | Skipped:
    name = printable(image.file_name.replace("\\", "/").removeprefix("./"))
    source = place.find(image.file_name)
    largest = max(objects, key=lambda annotation: annotation.size, default=None)
    label = "" if largest is None else names.get(largest.category_id, "")
    if source is None:
        return Skipped(name, "There is no such file, or several are called so.", label)
    if reason := unreadable(source):
        return Skipped(name, reason, label)
    if largest is None:
        return Skipped(name, "It has no objects, so no class.")
    if largest.category_id not in names:
        return Skipped(name, f"Its category {largest.category_id} is not among the categories.")
    same = [annotation for annotation in objects if annotation.category_id == largest.category_id]
    boxes = tuple(annotation.box for annotation in same if annotation.box is not None)
    size = (image.height, image.width) if image.height and image.width else None
    polygons = tuple(polygon for annotation in same for polygon in annotation.polygons)
    runs = tuple(run for annotation in same for run in annotation.runs)
    outlines = Outlines(size, polygons, runs)
    drawn = outlines if outlines.polygons or outlines.runs else None
    return Example(name, names[largest.category_id], source, drawn, boxes)


def _many(count: int) -> str:
    return "1 picture holds" if count == 1 else f"{count} pictures hold"
