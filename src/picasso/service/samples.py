"""Pictures that come with Picasso or with the configuration, offered for a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picasso.core.errors import NotFoundError
from picasso.service.configuration import SampleFolder

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Sample:
    """A picture that is offered.

    Args:
        id: Stands in addresses.
        model: The model for which it is offered.
        path: Its file.
        mask: That of its mask: a picture of the same name in the folder "masks" beside it; None where there is none.
    """

    id: str
    model: str
    path: Path
    mask: Path | None


def find_samples(folders: Sequence[SampleFolder]) -> list[Sample]:
    """List the pictures in the folders, as they are now."""
    found: list[Sample] = []
    for item in folders:
        for path in sorted(item.folder.glob("*")) if item.folder.is_dir() else ():
            if path.suffix.lower() in _ENDINGS and path.is_file():
                # The address says nothing of the disk, and no address can lead to another file.
                name = hashlib.sha256(f"{item.model}\0{path}".encode()).hexdigest()[:16]
                mask = item.folder / "masks" / f"{path.stem}.png"
                found.append(Sample(name, item.model, path, mask if mask.is_file() else None))
    return found


def find_sample(folders: Sequence[SampleFolder], id_: str) -> Sample:
    """Return one sample.

    Raises:
        NotFoundError: There is none of that id.
    """
    for sample in find_samples(folders):
        if sample.id == id_:
            return sample
    raise NotFoundError(f"There is no sample picture '{id_[:80]}'.")
