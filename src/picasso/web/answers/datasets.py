"""Data sets as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import BaseModel, Field

from picasso.auditing.thresholds import LEAST_PICTURES, MOST_PICTURES
from picasso.service.plugin_process import DatasetCard, InterventionCard
from picasso.service.records import DatasetRecord


class DatasetAnswer(BaseModel):
    """A data set that the server knows."""

    name: str
    path: str
    added: bool

    @classmethod
    def of(cls, record: DatasetRecord) -> DatasetAnswer:
        return cls(**asdict(record))


class ClassAnswer(BaseModel):
    """A class of a data set."""

    name: str
    pictures: int
    label: str | None = Field(description="The asked model's label for it, where its name says which that is.")


class InterventionAnswer(BaseModel):
    """Something that an audit takes from another picture."""

    name: str
    title: str
    role: str = Field(description="property, surface, size, object or erasure.")
    needs: list[str] = Field(description="object, regions.")


class DescribedDataset(DatasetAnswer):
    """A data set, what is there, and what an audit would do with it."""

    pictures: int
    classes: list[ClassAnswer]
    objects: int = Field(description="Of how many pictures it is known where the object is.")
    columns: list[str] = Field(description="What else is known of pictures: site, split.")
    notes: list[str]
    skipped: int = Field(description="How many pictures cannot be used.")
    reasons: list[str] = Field(description="Of the first of these: why.")
    most: int = Field(description="How many pictures an audit takes where nothing else is asked.")
    least: int = Field(description="With fewer pictures there is no audit.")
    interventions: list[InterventionAnswer]

    @classmethod
    def described(
        cls,
        record: DatasetRecord,
        card: DatasetCard,
        labels: Mapping[str, str],
        interventions: Sequence[InterventionCard],
    ) -> DescribedDataset:
        classes = [{"name": name, "pictures": count, "label": labels.get(name)} for name, count in card.classes]
        return cls(
            **asdict(record),
            **asdict(card) | {"classes": classes},
            most=MOST_PICTURES,
            least=LEAST_PICTURES,
            interventions=[InterventionAnswer.model_validate(asdict(one)) for one in interventions],
        )
