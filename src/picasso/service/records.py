"""What the store gives back: frozen records of models, pictures, jobs, results and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from picasso.core.errors import PicassoError, by_code


class State(StrEnum):
    """The life of a job, and of each of its tasks."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.DONE, State.FAILED, State.CANCELED)


class ModelState(StrEnum):
    """How far a model is known."""

    NEW = "new"
    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Fault:
    """An error as it is kept and sent."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: PicassoError) -> Fault:
        return cls(error.code, error.message, error.hint)

    def to_error(self) -> PicassoError:
        """Return the error that it was."""
        return by_code().get(self.code, PicassoError)(self.message, self.hint)


@dataclass(frozen=True)
class ModelRecord:
    """A model that the server knows.

    Args:
        name: What it is called.
        specification: How it is opened, JSON of `ModelSpecification`.
        added: Whether a page added it, rather than the configuration.
        state: How far it is known.
        error: Why it could not be opened, where the state is failed.
        card: What a worker found out, JSON of `Card`; None before it was opened.
        opened: When the card was written.
    """

    name: str
    specification: dict[str, Any]
    added: bool
    state: ModelState
    error: Fault | None
    card: dict[str, Any] | None
    opened: str | None


@dataclass(frozen=True)
class DatasetRecord:
    """A data set that the server knows.

    Args:
        name: What it is called.
        path: A folder, a file, or a name: "demo:tanks".
        added: Whether a page added it, rather than the configuration.
    """

    name: str
    path: str
    added: bool


@dataclass(frozen=True)
class PictureRecord:
    """A picture that was uploaded or adopted.

    Args:
        digest: SHA-256 of the file, which lies under it among the artifacts.
        name: What its file was called.
        width, height: Upright size in pixels.
        notes: What was done to it while reading.
        file: Artifact: a rendition that every browser shows, upright.
        file_type: Its media type.
        thumbnail: Artifact: a small JPEG.
        created: When.
        adopted: Whether nobody brought it: an audit took it in, to show it.
    """

    digest: str
    name: str
    width: int
    height: int
    notes: tuple[str, ...]
    file: str
    file_type: str
    thumbnail: str
    created: str
    adopted: bool = False


@dataclass(frozen=True)
class MaskRecord:
    """Where the object of a picture is.

    Args:
        picture: Digest of the picture.
        digest: Of the mask as PNG, white on black, which lies under it among the artifacts.
        name: What its file was called, or the data set that it comes from.
        area: Its share of the picture.
        created: When.
    """

    picture: str
    digest: str
    name: str
    area: float
    created: str


@dataclass(frozen=True)
class TaskRecord:
    """One picture of a job, or the model alone.

    Args:
        job: The job.
        position: Its place among the job's pictures, from 0.
        picture: Digest; None for the model alone.
        name: What the picture was called, or the model.
        state: How far it is.
        result: Key of the result, once there is one.
        error: Why it failed.
        mask: Of a job that compares methods: digest of the mask of the picture's object, or None.
    """

    job: str
    position: int
    picture: str | None
    name: str
    state: State
    result: str | None
    error: Fault | None
    mask: str | None = None


@dataclass(frozen=True)
class JobRequest:
    """What a job shall do.

    Args:
        model: Name.
        visualization: Registered name.
        pictures: Digests; none for the model alone.
        settings: The visualization's settings, JSON.
        target: Class indices, labels or differences; None for the best classes.
        top: How many of the best classes.
        seed: Seed of everything random.
        at: For a segmenter or detector, what is explained: "x,y", "left,top,width,height" or "#2"; None for all.
    """

    model: str
    visualization: str
    pictures: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    target: tuple[int | str, ...] | None = None
    top: int = 5
    seed: int = 0
    at: str | None = None


@dataclass(frozen=True)
class ComparisonRequest:
    """What a job that compares methods shall do.

    Args:
        model: Name.
        methods: Registered names of attribution methods, each with its settings as JSON.
        pictures: Digests.
        target: A class index, a label or a difference; None for the best class of each picture.
        seed: Seed of everything random.
        at: For a segmenter or detector, what is explained, as in a job.
        masks: For each picture the digest of a mask of its object, or None; empty where there are none.
    """

    model: str
    methods: tuple[tuple[str, dict[str, Any]], ...]
    pictures: tuple[str, ...]
    target: int | str | None = None
    seed: int = 0
    at: str | None = None
    masks: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class AuditRequest:
    """What a job that audits a model shall do.

    Args:
        model: Name.
        dataset: Name of the data set.
        match: The model's label for each class of the data set; None to find them by their names.
        limit: How many pictures at most; None for as many as an audit takes.
        seed: Seed of everything random.
        confirmed: Kind of region -> whether a person says that it is the object.
    """

    model: str
    dataset: str
    match: dict[str, str] | None = None
    limit: int | None = None
    seed: int = 0
    confirmed: dict[str, bool] = field(default_factory=dict)

    def asked(self) -> dict[str, Any]:
        """Return the choices, JSON, as a job and an audit keep them."""
        return {"match": self.match, "limit": self.limit, "confirmed": self.confirmed}


@dataclass(frozen=True)
class VideoRecord:
    """A video that was sent, and how it is looked at.

    Args:
        digest: Of the file.
        name: What the file is called.
        channel: Of a layer's maps the one to show, or None.
        every: Every Nth frame is explained.
    """

    digest: str
    name: str
    channel: int | None = None
    every: int = 1


@dataclass(frozen=True)
class FilmRequest:
    """What a job that lays maps over a video shall do.

    Args:
        model, visualization: Names.
        video: The video; its digest is "" until it is kept.
        settings: Of the visualization.
        target: The class to explain; None for the best one of each frame.
        top: How many of the best classes are told.
    """

    model: str
    visualization: str
    video: VideoRecord
    settings: dict[str, Any] = field(default_factory=dict)
    target: int | str | None = None
    top: int = 3


@dataclass(frozen=True)
class FilmRecord:
    """What came out of such a job.

    Args:
        film, document, table: Digests of the film (MP4), and of its numbers as JSON and CSV.
        frames: How many were explained.
        notes: What the reader must know.
    """

    film: str
    document: str
    table: str
    frames: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRecord:
    """A job and how far it is.

    Args:
        id: Its name.
        model, visualization, settings, target, top, seed, at: What was asked for.
        state: How far it is.
        error: Why it failed.
        attempts: How often it was started.
        cancel: Whether somebody asked to stop it.
        done, total, message: Progress of the present picture.
        process: The worker process that runs it or ran it last.
        created, started, finished: When.
        methods: Of a job that compares methods: their names, each with its settings; else None.
        comparison: Of such a job: key of the comparison, once there is one.
        dataset: Of a job that audits: name of the data set; its choices are the settings.
        audit: Of such a job: key of the audit, once there is one.
        video: Of a job that lays maps over a video: that video; else None.
        film: Of such a job: what came out, once it has.
    """

    id: str
    model: str
    visualization: str
    settings: dict[str, Any]
    target: tuple[int | str, ...] | None
    top: int
    seed: int
    at: str | None
    state: State
    error: Fault | None
    attempts: int
    cancel: bool
    done: int
    total: int
    message: str
    process: int | None
    created: str
    started: str | None
    finished: str | None
    methods: tuple[tuple[str, dict[str, Any]], ...] | None = None
    comparison: str | None = None
    dataset: str | None = None
    audit: str | None = None
    video: VideoRecord | None = None
    film: FilmRecord | None = None


@dataclass(frozen=True)
class EventRecord:
    """Something that happened to a job; `number` counts from 1 for each job."""

    number: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class ResultRecord:
    """A result.

    Args:
        key: Equal for equal model, picture and choices.
        job: The job that made it, as long as it is kept.
        model, visualization: Names.
        picture: Digest; None of the model alone.
        document: Every choice and number that is no array.
        panels: Panels as JSON; an array is {"artifact", "dtype", "shape"}.
        arrays: Artifact: the raw numbers as NPZ.
        created: When.
    """

    key: str
    job: str | None
    model: str
    visualization: str
    picture: str | None
    document: dict[str, Any]
    panels: tuple[dict[str, Any], ...]
    arrays: str
    created: str


@dataclass(frozen=True)
class ComparisonRecord:
    """A comparison of methods.

    Args:
        key: Equal for equal model, methods, pictures and choices.
        job: The job that made it, as long as it is kept.
        model: Name.
        pictures: Digests.
        document: Cards, verdict and every choice.
        shown: For each picture whose maps are shown {"name", "target", "score", "view", "maps"}; a drawn map is
            {"name", "title", "units", "artifact", "dtype", "shape"}.
        page: Artifact: everything as one page of HTML.
        arrays: Artifact: the raw numbers as NPZ.
        created: When.
        masks: For each picture the digest of its object's mask, or None; empty where there was none.
    """

    key: str
    job: str | None
    model: str
    pictures: tuple[str, ...]
    document: dict[str, Any]
    shown: tuple[dict[str, Any], ...]
    page: str
    arrays: str
    created: str
    masks: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class AuditRecord:
    """An audit of a model on a data set.

    Args:
        key: Equal for equal model, data set and choices.
        job: The job that made it, as long as it is kept.
        model, dataset: Names.
        asked: The choices, as `AuditRequest.asked`, and the seed.
        document: Verdict, effects and every choice.
        pairs: Pictures before and after as JSON; an array is {"artifact", "dtype", "shape"}.
        pictures: Digests of the pictures that can be explained, by their names in the data set.
        files: Artifacts of what can be downloaded, by format: "html", "npz", "csv", "zip".
        seconds: How long it took.
        created: When.
    """

    key: str
    job: str | None
    model: str
    dataset: str
    asked: dict[str, Any]
    document: dict[str, Any]
    pairs: tuple[dict[str, Any], ...]
    pictures: dict[str, str]
    files: dict[str, str]
    seconds: float
    created: str

    @property
    def line(self) -> AuditLine:
        """What a list shows of it."""
        verdict = self.document["verdict"]
        return AuditLine(
            key=self.key,
            job=self.job,
            model=self.model,
            dataset=self.dataset,
            pictures=sum(self.document["counts"]),
            outcome=verdict["outcome"],
            headline=verdict["headline"],
            sentence=verdict["sentence"],
            seconds=self.seconds,
            created=self.created,
        )


@dataclass(frozen=True)
class AuditLine:
    """An audit as lists show it.

    Args:
        key, job, model, dataset, seconds, created: As in `AuditRecord`.
        pictures: How many were audited.
        outcome, headline, sentence: Of the verdict.
    """

    key: str
    job: str | None
    model: str
    dataset: str
    pictures: int
    outcome: str
    headline: str
    sentence: str
    seconds: float
    created: str
