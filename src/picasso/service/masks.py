"""Masks of pictures: where the object is, sent as a picture or known from a data set."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.asking import Place, read_object_mask, require_size
from picasso.core.errors import PictureError
from picasso.core.pictures.mask_files import read_mask
from picasso.service.artifacts import Artifacts
from picasso.service.database import now
from picasso.service.pictures import clean_name
from picasso.service.records import MaskRecord, PictureRecord
from picasso.service.store import Store

if TYPE_CHECKING:
    from picasso.core.dataset import Dataset, Example


class Masks:
    """Takes masks in, each for one picture.

    Args:
        store: Where they are listed.
        artifacts: Where their files are kept, all as PNG, so that equal masks have equal digests.
    """

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self.store = store
        self.artifacts = artifacts

    def adopt(self, picture: PictureRecord, data: bytes, name: str) -> MaskRecord:
        """Keep a mask.

        Args:
            picture: Whose object it shows.
            data: The whole file; everything but black is meant.
            name: What to call it: its file, or the data set that it comes from.

        Raises:
            TargetError: The bytes are no picture, mark nothing, or have not the picture's size.
        """
        name = clean_name(name)
        mask = read_object_mask(data, name)
        require_size(mask, picture.width, picture.height)
        digest = self.artifacts.put(mask_file(mask), durable=True)
        record = MaskRecord(picture.digest, digest, name, float(mask.mean()), now())
        self.store.add_mask(record)
        return record


def mask_file(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask bool (h, w) as PNG, white on black."""
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def kept_mask(artifacts: Artifacts, digest: str) -> Place:
    """Return a mask that was taken in.

    Raises:
        NotFoundError: Its file is gone.
    """
    return Place(mask=read_mask(artifacts.get(digest)))


def mask_in_dataset(dataset: Dataset, example: Example) -> tuple[bytes | None, str]:
    """Return where the object of an example is, as the data set has it.

    Returns:
        Its mask as PNG, or its boxes, filled; None where none is known, or where it says that no object is there. And
        why there is none though the data set names one, or "".

    Raises:
        PictureError: The picture itself cannot be read.
    """
    if example.mask is None and not example.boxes:
        return None, ""
    picture = dataset.picture(example)
    try:
        mask = dataset.object_mask(example, picture)
    except PictureError as error:
        return None, f"Its mask is not used: {error.message}"
    return (mask_file(mask) if mask is not None and mask.any() else None), ""
