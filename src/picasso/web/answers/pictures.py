"""Pictures, their masks and the samples as the API answers them."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from picasso.service.records import MaskRecord, PictureRecord
from picasso.service.samples import Sample
from picasso.web.answers.common import PREFIX, ErrorAnswer


class PictureAnswer(BaseModel):
    """A picture."""

    digest: str
    name: str
    width: int
    height: int
    notes: list[str]
    file: str = Field(description="Address of an upright rendition that every browser shows.")
    thumbnail: str
    created: str

    @classmethod
    def of(cls, record: PictureRecord) -> PictureAnswer:
        address = f"{PREFIX}/pictures/{record.digest}"
        return cls(
            digest=record.digest,
            name=record.name,
            width=record.width,
            height=record.height,
            notes=list(record.notes),
            file=f"{address}/file",
            thumbnail=f"{address}/thumbnail",
            created=record.created,
        )


class RefusedPicture(BaseModel):
    """An uploaded file that is no usable picture."""

    name: str
    error: ErrorAnswer


class MaskAnswer(BaseModel):
    """A mask of a picture's object."""

    picture: str = Field(description="Digest of the picture.")
    digest: str
    name: str = Field(description="Its file's, or the data set's that it comes from.")
    area: float = Field(description="Its share of the picture.")
    file: str = Field(description="Address of the mask as PNG, white on black.")
    created: str

    @classmethod
    def of(cls, record: MaskRecord) -> MaskAnswer:
        return cls(**asdict(record), file=f"{PREFIX}/pictures/{record.picture}/masks/{record.digest}")


class SampleAnswer(BaseModel):
    """A picture that can be adopted."""

    id: str
    model: str
    name: str
    thumbnail: str

    @classmethod
    def of(cls, sample: Sample) -> SampleAnswer:
        return cls(
            id=sample.id,
            model=sample.model,
            name=sample.path.name,
            thumbnail=f"{PREFIX}/samples/{sample.id}/thumbnail",
        )
