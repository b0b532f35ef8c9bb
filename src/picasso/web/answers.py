"""What the API answers, as pydantic models: they are its documentation, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from picasso.auditing.thresholds import LEAST_PICTURES, MOST_PICTURES
from picasso.core.tested import as_now
from picasso.service.plugin_process import DatasetCard, Description, InterventionCard
from picasso.service.records import (
    AuditLine,
    AuditRecord,
    ComparisonRecord,
    DatasetRecord,
    Fault,
    JobRecord,
    MaskRecord,
    PictureRecord,
    ResultRecord,
    State,
    TaskRecord,
)
from picasso.service.samples import Sample
from picasso.service.service import ModelView
from picasso.web.plugin_templates import render_template

PREFIX = "/api/v1"


class ErrorAnswer(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, fault: Fault | None) -> ErrorAnswer | None:
        return None if fault is None else cls(**asdict(fault))


class CardAnswer(BaseModel):
    """What is known of a model that was opened."""

    framework: str
    input_shape: tuple[int, int, int]
    labels: list[str]
    head: str
    score_units: str
    columns: int
    parameters: int
    notes: list[str]
    capabilities: list[str]
    preprocessing: dict[str, Any] | None
    layers: list[dict[str, Any]]
    default_layer: str | None
    digest: str
    task: str = Field(description="classification, segmentation or detection.")
    visualizations: dict[str, str] = Field(description='For every visualization "", or why it does not fit.')


class ModelAnswer(BaseModel):
    """A model that the server knows."""

    name: str
    source: str
    added: bool
    state: str = Field(description="new, opening, ready or failed.")
    error: ErrorAnswer | None
    warm: bool = Field(description="Whether a process holds it.")
    opened: str | None
    card: CardAnswer | None

    @classmethod
    def of(cls, view: ModelView) -> ModelAnswer:
        record, card = view.record, view.card
        return cls(
            name=record.name,
            source=str(record.specification["source"]),
            added=record.added,
            state=view.state,
            error=ErrorAnswer.of(record.error),
            warm=view.warm,
            opened=record.opened,
            card=CardAnswer.model_validate(asdict(card) | {"visualizations": view.missing}) if card else None,
        )


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


class VisualizationAnswer(BaseModel):
    """A visualization; a broken plug-in has an error and no settings."""

    name: str
    title: str
    family: str = Field(description="What it works with; lists are grouped by it.")
    description: str
    formula: str = Field(description='What is computed, in plain text, or "".')
    pitfalls: list[str] = Field(description="How its pictures are misread, or where it fails.")
    references: list[str]
    needs: list[str]
    version: int
    subject: str
    attributes: bool = Field(description="Whether it explains targets with maps.")
    form: dict[str, Any] = Field(alias="schema", description="JSON schema of its settings.")
    defaults: dict[str, Any]
    origin: str
    file: str
    digest: str
    error: str = Field(description='The traceback of a broken plug-in, or "".')

    @classmethod
    def of(cls, item: Description) -> VisualizationAnswer:
        values = {key: value for key, value in asdict(item).items() if key not in ("template", "settings")}
        return cls.model_validate(values | {"schema": item.settings})


class TaskAnswer(BaseModel):
    """One picture of a job, or the model alone."""

    position: int
    picture: str | None
    name: str
    state: str
    result: str | None = Field(description="Key of the result.")
    error: ErrorAnswer | None
    mask: str | None = Field(description="Of a job that compares methods: digest of the mask of its object.")


class ProgressAnswer(BaseModel):
    """How far the present picture is."""

    done: int
    total: int
    message: str


class MethodAnswer(BaseModel):
    """A method that is compared."""

    name: str
    settings: dict[str, Any]


class VideoAnswer(BaseModel):
    """A video that was sent, and how it is looked at."""

    name: str
    channel: int | None
    every: int


class FilmAnswer(BaseModel):
    """A video with maps over it."""

    frames: int = Field(description="How many were explained.")
    notes: list[str]
    film: str = Field(description="Address of the film, MP4.")
    document: str = Field(description="Address of what the model said of each frame, JSON.")
    table: str = Field(description="The same, CSV.")

    @classmethod
    def of(cls, job: JobRecord) -> FilmAnswer | None:
        if job.film is None:
            return None
        export = f"{PREFIX}/films/{job.id}/export?format="
        addresses = {"film": f"{export}mp4", "document": f"{export}json", "table": f"{export}csv"}
        return cls(frames=job.film.frames, notes=list(job.film.notes), **addresses)


class JobAnswer(BaseModel):
    """A job."""

    id: str
    state: str = Field(description="queued, running, done, failed or canceled.")
    model: str
    visualization: str
    settings: dict[str, Any]
    target: list[int | str] | None
    top: int
    seed: int
    at: str | None
    pictures: list[str]
    error: ErrorAnswer | None
    attempts: int
    progress: ProgressAnswer
    tasks: list[TaskAnswer]
    events: str = Field(description="Address of the event stream.")
    created: str
    started: str | None
    finished: str | None
    methods: list[MethodAnswer] | None = Field(description="Of a job that compares methods: these; else null.")
    comparison: str | None = Field(description="Of such a job that is done: key of the comparison.")
    dataset: str | None = Field(description="Of a job that audits: name of the data set; its choices are the settings.")
    audit: str | None = Field(description="Of such a job that is done: key of the audit.")
    video: VideoAnswer | None = Field(description="Of a job that lays maps over a video: that video; else null.")
    film: FilmAnswer | None = Field(description="Of such a job that is done: what came out.")

    @classmethod
    def of(cls, job: JobRecord, tasks: Sequence[TaskRecord]) -> JobAnswer:
        return cls(
            id=job.id,
            state=job.state,
            model=job.model,
            visualization=job.visualization,
            settings=job.settings,
            target=list(job.target) if job.target is not None else None,
            top=job.top,
            seed=job.seed,
            at=job.at,
            pictures=[task.picture for task in tasks if task.picture],
            error=ErrorAnswer.of(job.error),
            attempts=job.attempts,
            progress=ProgressAnswer(done=job.done, total=job.total, message=job.message),
            tasks=[
                TaskAnswer(
                    position=task.position,
                    picture=task.picture,
                    name=task.name,
                    state=task.state,
                    result=task.result,
                    error=ErrorAnswer.of(task.error),
                    mask=task.mask,
                )
                for task in tasks
            ],
            events=f"{PREFIX}/jobs/{job.id}/events",
            created=job.created,
            started=job.started,
            finished=job.finished,
            methods=None
            if job.methods is None
            else [MethodAnswer(name=name, settings=settings) for name, settings in job.methods],
            comparison=job.comparison if job.state is State.DONE else None,
            dataset=job.dataset,
            audit=job.audit,
            video=None
            if job.video is None
            else VideoAnswer(name=job.video.name, channel=job.video.channel, every=job.video.every),
            film=FilmAnswer.of(job),
        )


class ResultSummary(BaseModel):
    """A result in a list."""

    key: str
    job: str | None
    model: str
    visualization: str
    title: str
    picture: PictureAnswer | None = Field(description="null of a model alone.")
    targets: list[dict[str, Any]]
    at: str | None = Field(description="Where in the picture, as it was asked; null for everywhere and for masks.")
    predictions: list[dict[str, Any]]
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def summary(cls, result: ResultRecord, picture: PictureRecord | None) -> dict[str, Any]:
        """Return the fields that a summary and a whole result share."""
        return {
            "key": result.key,
            "job": result.job,
            "model": result.model,
            "visualization": result.visualization,
            "title": result.document["visualization"]["title"],
            "picture": PictureAnswer.of(picture) if picture else None,
            "targets": result.document["targets"],
            "at": result.document.get("at"),
            "predictions": result.document["predictions"][:5],
            "created": result.created,
            "page": f"/results/{result.key}",
        }


class ResultAnswer(ResultSummary):
    """A result with its panels; an array in them is {"url", "dtype", "shape"}."""

    document: dict[str, Any]
    panels: list[dict[str, Any]]
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")
    comparison: str | None = Field(description="Key of the comparison in which its map was measured.")
    measuring: str | None = Field(description="The job that measures its map at present.")

    @classmethod
    def of(
        cls,
        result: ResultRecord,
        picture: PictureRecord | None,
        template: str,
        comparison: str | None,
        measuring: str | None,
    ) -> ResultAnswer:
        export = f"{PREFIX}/results/{quote(result.key)}/export?format="
        return cls(
            **ResultSummary.summary(result, picture),
            document=as_now(result.document),
            comparison=comparison,
            measuring=measuring,
            panels=[panel_answer(panel, template) for panel in result.panels],
            exports={form: export + form for form in ("npz", "json", "png", "zip")},
        )


class ComparisonSummary(BaseModel):
    """A comparison in a list."""

    key: str
    job: str | None
    model: str
    pictures: list[str]
    titles: list[str] = Field(description="Of the methods that were compared.")
    verdict: list[str] = Field(description="In plain words, which maps to trust here.")
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def summary(cls, record: ComparisonRecord) -> dict[str, Any]:
        """Return the fields that a summary and a whole comparison share."""
        return {
            "key": record.key,
            "job": record.job,
            "model": record.model,
            "pictures": list(record.pictures),
            "titles": [card["title"] for card in record.document["cards"] if not card["control"]],
            "verdict": record.document["verdict"],
            "created": record.created,
            "page": f"/comparisons/{record.key}",
        }


class ComparisonAnswer(ComparisonSummary):
    """A comparison with its cards and drawn maps."""

    masks: list[str | None] = Field(description="For each picture the digest of the mask, or null; empty without any.")
    document: dict[str, Any]
    shown: list[dict[str, Any]] = Field(description="For each shown picture its view and drawn maps, as in panels.")
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")

    @classmethod
    def of(cls, record: ComparisonRecord) -> ComparisonAnswer:
        export = f"{PREFIX}/comparisons/{quote(record.key)}/export?format="
        return cls(
            **ComparisonSummary.summary(record),
            masks=list(record.masks),
            document=record.document,
            shown=_with_addresses(list(record.shown), pictures=False),
            exports={form: export + form for form in ("html", "json", "npz")},
        )


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
    role: str = Field(description="property, surface, object or erasure.")
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


class AuditSummary(BaseModel):
    """An audit in a list."""

    key: str
    job: str | None
    model: str
    dataset: str
    pictures: int = Field(description="How many were audited.")
    outcome: str = Field(description="right-reason, wrong-reason, both, relies-on, weak-model or cannot-tell.")
    headline: str
    sentence: str
    seconds: float = Field(description="How long it took.")
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def of_line(cls, line: AuditLine) -> AuditSummary:
        return cls(**cls.fields(line))

    @staticmethod
    def fields(line: AuditLine) -> dict[str, Any]:
        """Return the fields that a summary and a whole audit share."""
        return asdict(line) | {"page": f"/audits/{line.key}"}


class AuditAnswer(AuditSummary):
    """An audit with everything that it found."""

    asked: dict[str, Any] = Field(description="The choices: match, limit, confirmed, seed.")
    document: dict[str, Any]
    pairs: list[dict[str, Any]] = Field(description="Pictures before and after, as in panels.")
    shown: dict[str, str] = Field(description="Digests of the pictures that can be explained, by their names.")
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")

    @classmethod
    def of(cls, record: AuditRecord) -> AuditAnswer:
        export = f"{PREFIX}/audits/{quote(record.key)}/export?format="
        return cls(
            **AuditSummary.fields(record.line),
            asked=record.asked,
            document=record.document,
            pairs=_with_addresses(list(record.pairs), pictures=False),
            shown=record.pictures,
            exports={form: export + form for form in ("json", *record.files)},
        )


def panel_answer(panel: dict[str, Any], template: str) -> dict[str, Any]:
    """Return a kept panel as it is sent: arrays become addresses, templates HTML.

    Args:
        panel: As it is kept.
        template: Source of the visualization's template, or "".
    """
    if panel["kind"] == "template":
        shown = _with_addresses(panel, pictures=True)
        return {**shown, "html": render_template(template, shown)}
    sent: dict[str, Any] = _with_addresses(panel, pictures=False)
    return sent


def _with_addresses(value: Any, *, pictures: bool) -> Any:
    if isinstance(value, dict):
        if set(value) == {"artifact", "dtype", "shape"}:
            address = f"{PREFIX}/artifacts/{value['artifact']}"
            if pictures and value["dtype"] == "uint8":
                return f"{address}.png"
            return {"url": address, "dtype": value["dtype"], "shape": value["shape"]}
        return {key: _with_addresses(item, pictures=pictures) for key, item in value.items()}
    return [_with_addresses(item, pictures=pictures) for item in value] if isinstance(value, list) else value
