"""The service as one thing: what the HTTP API and the command line talk to."""

from __future__ import annotations

import base64
import re
import shutil
import threading
import zipfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from picasso.core.errors import (
    ConfigurationError,
    DatasetError,
    ModelFileError,
    NotSupportedError,
    PicassoError,
    PictureError,
    PluginError,
)
from picasso.core.labels.annotations import annotate, read_annotations
from picasso.core.names import scheme_of
from picasso.core.sources import SourceKind
from picasso.service import audits, leftovers, plugin_process
from picasso.service.artifacts import Artifacts
from picasso.service.cards import Card, files_of, unfit
from picasso.service.catalog import Catalog
from picasso.service.comparisons import key_of, request_of
from picasso.service.configuration import (
    STORY_MODELS,
    Configuration,
    DatasetSpecification,
    ModelSpecification,
)
from picasso.service.database import Database
from picasso.service.job_store import JobStore
from picasso.service.jobs import Jobs
from picasso.service.lock import FolderLock
from picasso.service.masks import Masks
from picasso.service.pictures import Pictures, clean_name
from picasso.service.plugin_process import DatasetCard
from picasso.service.records import DatasetRecord, Fault, ModelRecord, ModelState, PictureRecord, ResultRecord, State
from picasso.service.samples import Sample
from picasso.service.side_process import SideProcess
from picasso.service.sources import Known, Sources
from picasso.service.store import Store
from picasso.service.uploads import Upload, Uploads
from picasso.service.work import Place

_FORBIDDEN = re.compile(r"[/\\?#%\x00-\x1f\x7f]")
"""What `ModelName` does not allow, as the name stands in an address."""
_LOG_BYTES = 4 * 2**20
_DATASET_SECONDS = 600.0
"""How long reading a data set may take: those of the demo are drawn when they are first asked for."""
_SWEEP_AGE = 3600.0
"""Files younger than this many seconds are never swept away."""
_AUDITS_AGE = 30 * 86400.0
"""Nor is what an audit has measured: it may be asked for again, of more pictures say."""


@dataclass(frozen=True)
class ModelView:
    """A model as it is now.

    Args:
        record: What is kept of it.
        state: Its state; a model whose files have changed is new again.
        card: What is known of it, None before it was opened.
        warm: Whether a process holds it.
        missing: For every visualization why it does not fit, or ""; empty before the model was opened.
    """

    record: ModelRecord
    state: ModelState
    card: Card | None
    warm: bool
    missing: dict[str, str]


class Service:
    """Models, pictures, visualizations, jobs and results.

    Args:
        configuration: What the server was told.

    Raises:
        ConfigurationError: The configuration or the data folder cannot be used.
    """

    def __init__(self, configuration: Configuration) -> None:
        configuration.check()
        self.configuration = configuration
        try:
            configuration.data.mkdir(parents=True, exist_ok=True)
            self.artifacts = Artifacts(configuration.data / "artifacts")
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {configuration.data} cannot be made: {error.strerror}.", "Choose another one."
            ) from None
        url = configuration.database or f"sqlite:///{(configuration.data / 'picasso.db').absolute()}"
        self.database = Database(url)
        self.store = Store(self.database)
        self.records = JobStore(self.database)
        self._sources = Sources(self._known_places, configuration.allow_add)
        self.catalog = Catalog(configuration.plugins, configuration.memory, self._sources)
        self._datasets = SideProcess("The reader of data sets", configuration.memory)
        self.pictures = Pictures(self.store, self.artifacts)
        self.masks = Masks(self.store, self.artifacts)
        self.place = Place(
            database=url,
            artifacts=self.artifacts.folder,
            audits=configuration.data / "audits",
            plugins=configuration.plugins,
            log=configuration.data / "workers.log",
            memory=configuration.memory,
            opening_seconds=configuration.opening_seconds,
        )
        self._uploads = Uploads(configuration.data / "datasets", self.store)
        self.jobs = Jobs(
            self.store,
            self.records,
            self.catalog,
            self.place,
            configuration.warm,
            self._sweep_leftovers,
        )
        self._lock = FolderLock(configuration.data)
        self._preparing = threading.Thread(target=self._prepare, name="picasso-prepare", daemon=True)

    def start(self) -> None:
        """Bring the database up to date and begin to work.

        Raises:
            ConfigurationError: Another server uses the folder, or the database cannot be used.
        """
        try:
            self._lock.take()
            _shorten(self.place.log)
            self.database.upgrade()
            self.store.set_configured_models(
                [(model.known_as(), model.model_dump(mode="json")) for model in self.configuration.all_models()]
            )
            self.store.set_configured_datasets(
                [(dataset.known_as(), dataset.path) for dataset in self.configuration.all_datasets()]
            )
        except BaseException:
            self.database.close()
            self._lock.release()
            raise
        self.jobs.start()
        if self.configuration.demo:
            # Whoever opens the demo will ask for their maps; most of the wait would be the framework's start.
            for name in STORY_MODELS[: self.configuration.warm]:
                self.jobs.open_model(name)
        self._preparing.start()

    def stop(self) -> None:
        """End all processes; what ran is queued again."""
        self.jobs.stop()
        self.catalog.close()
        self._datasets.close()
        if self._preparing.is_alive():
            self._preparing.join(10)
        self.database.close()
        self._lock.release()

    def models(self) -> list[ModelView]:
        """Return all models."""
        return [self._view(record) for record in self.store.models()]

    def model(self, name: str) -> ModelView:
        """Return one model.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._view(self.store.model(name))

    def add_model(self, specification: ModelSpecification) -> ModelView:
        """Add a model.

        Raises:
            ModelFileError: There is no such file.
            NotSupportedError: The name is taken.
        """
        name = specification.known_as()
        if not scheme_of(specification.source) and not files_of(specification):
            raise ModelFileError(f"There is no model '{specification.source}'.", "Give the path of its file.")
        if not self.store.add_model(name, specification.model_dump(mode="json")):
            raise NotSupportedError(f"There is a model '{name}' already.", "Give it another name.")
        return self.model(name)

    def delete_model(self, name: str) -> None:
        """Forget a model that was added.

        Raises:
            NotFoundError: There is none of that name.
            NotSupportedError: It belongs to the configuration.
        """
        if not self.store.model(name).added:
            raise NotSupportedError(f"The model '{name}' belongs to the configuration.", "Remove it there.")
        self.store.delete_model(name)
        self.jobs.close_model(name)

    def add_dataset(self, specification: DatasetSpecification) -> DatasetRecord:
        """Add a data set.

        Raises:
            DatasetError: There is no such folder or file.
            NotSupportedError: The name is taken.
        """
        path = specification.path
        name = _dataset_name(specification.known_as())
        if scheme_of(path) not in ("", "demo"):
            raise DatasetError(f"{path} is not on this computer.", "Give the path of a folder or a file.")
        if not scheme_of(path) and not Path(path).exists():
            raise DatasetError(f"There is no data set '{path}'.", "Give the path of a folder or a file.")
        if not self.store.add_dataset(name, path):
            raise NotSupportedError(f"There is a data set '{name}' already.", "Give it another name.")
        return self.store.dataset(name)

    def dataset(self, name: str) -> tuple[DatasetRecord, DatasetCard]:
        """Return a data set, and what is there now.

        Raises:
            NotFoundError: There is none of that name.
            DatasetError: It cannot be read.
        """
        record = self.store.dataset(name)
        card = self._datasets.ask(plugin_process.describe_dataset, record.path, seconds=_DATASET_SECONDS)
        return record, DatasetCard.read(card)

    def sending(self, name: str) -> AbstractContextManager[Upload]:
        """Keep a name for an archive of pictures as long as it is being sent.

        Args:
            name: What its data set will be called; what no name may hold is left out.

        Raises:
            NotSupportedError: The name is taken.
        """
        return self._uploads.begin(_dataset_name(name))

    def keep_dataset(self, upload: Upload, file: BinaryIO) -> DatasetRecord:
        """Keep an archive of pictures that was sent, and add it as a data set.

        Args:
            upload: From `sending`, which has not ended.
            file: The archive.

        Raises:
            DatasetError: It is no archive.
        """
        if not zipfile.is_zipfile(file):
            raise DatasetError(
                f"{upload.name} is no zip archive.", "Send a zip with one folder of pictures for each class."
            )
        file.seek(0)
        with upload.path.open("xb") as kept:
            shutil.copyfileobj(file, kept)
        return self.add_dataset(DatasetSpecification(path=str(upload.path), name=upload.name))

    def upload_dataset(self, file: BinaryIO, name: str) -> DatasetRecord:
        """Keep an archive of pictures, and add it as a data set that is called as its file.

        Args:
            file: The archive.
            name: What its file is called.

        Raises:
            DatasetError: It is no archive.
            NotSupportedError: The name is taken.
        """
        with self.sending(Path(clean_name(name)).stem) as upload:
            return self.keep_dataset(upload, file)

    def take_pictures(self, album: str, names: Sequence[str]) -> list[PictureRecord | Fault]:
        """Take pictures of a folder or data set in, so that they can be explained; each by itself.

        Args:
            album: A data set of this server, or a path where pages may name one.
            names: The pictures' places in it.

        Raises:
            SettingsError: There is no such data set here.
            NotFoundError, DatasetError: It cannot be read.
        """
        source = self._album(album)
        taken: list[PictureRecord | Fault] = []
        while left := list(names[len(taken) :]):
            found = self._datasets.ask(plugin_process.read_examples, source, left, seconds=_DATASET_SECONDS)
            taken += [self._taken(album, name, one) for name, one in zip(left, found, strict=False)]
        return taken

    def _taken(self, album: str, name: str, read: dict[str, str]) -> PictureRecord | Fault:
        try:
            if "problem" in read:
                raise PictureError(read["problem"])
            notes = [read["note"]] if "note" in read else []
            picture = self.pictures.adopt(base64.b64decode(read["data"]), name, notes)
            if "mask" in read:
                self.masks.adopt(picture, base64.b64decode(read["mask"]), album)
            return picture
        except PicassoError as error:
            return Fault.of(error)

    def take_sample(self, sample: Sample) -> PictureRecord:
        """Make a sample one of the pictures, with the mask that lies beside it.

        Raises:
            PictureError, TargetError: It cannot be read, or its mask.
        """
        picture = self.pictures.adopt(sample.path.read_bytes(), sample.path.name)
        if sample.mask is not None:
            self.masks.adopt(picture, sample.mask.read_bytes(), sample.mask.name)
        return picture

    def _album(self, named: str) -> str:
        return self._sources.place_of(named, SourceKind.ALBUM, "album")

    def _known_places(self) -> Known:
        """Return what a setting may name."""
        datasets = {dataset.name: dataset.path for dataset in self.store.datasets()}
        return {SourceKind.ALBUM: datasets, SourceKind.CHECKPOINTS: self.configuration.checkpoint_folders()}

    def label_picture(self, album: str, picture: str, annotator: str, label: str) -> None:
        """Keep what somebody says that a picture of a folder or data set shows; "" takes it back.

        Raises:
            SettingsError: There is no such data set here, it has no such class, or nobody is named.
            NotFoundError, DatasetError: It has no such picture, or cannot be read.
        """
        source = self._album(album)
        self._datasets.ask(plugin_process.check_label, source, picture, label, seconds=_DATASET_SECONDS)
        # What is said twice changes nothing: results that count labels would be made anew for it.
        if read_annotations(source).get(annotator.strip(), {}).get(picture, "") != label or not annotator.strip():
            annotate(source, picture, annotator, label)

    def delete_dataset(self, name: str) -> None:
        """Forget a data set that was added, with its archive where it was sent here.

        Raises:
            NotFoundError: There is none of that name.
            NotSupportedError: It belongs to the configuration.
        """
        record = self.store.dataset(name)
        if not record.added:
            raise NotSupportedError(f"The data set '{name}' belongs to the configuration.", "Remove it there.")
        if any(job.dataset == name for job in self.records.jobs(None, [State.QUEUED, State.RUNNING])):
            raise NotSupportedError(f"An audit of '{name}' is at work.", "Cancel it first.")
        self.store.delete_dataset(name)
        self._sweep_leftovers()  # with its archive

    def measured(self, result: ResultRecord) -> tuple[str | None, str | None]:
        """Return the key of the comparison in which a result's map was measured, and the job that is at it, or None."""
        try:
            key = key_of(self.store, self.catalog, request_of(self.store, self.catalog, result))
        except PicassoError:  # it cannot be measured any more, or never could: whoever asks for it is told why
            return None, None
        going = self.records.comparing(key) if key else None
        return (key if key and self.store.has_comparison(key) else None), (going.id if going else None)

    def classes(self, result: ResultRecord) -> int | None:
        """Return how many classes a result's model tells apart; None where it does not, or is another one by now."""
        known = next((model.card for model in self.store.models() if model.name == result.model), None)
        if known is None or known["task"] != "classification":
            return None
        return len(known["labels"]) if known["digest"] == result.document["model"]["digest"] else None

    def _view(self, record: ModelRecord) -> ModelView:
        card = Card.read(record.card) if record.card else None
        state = record.state
        if state is ModelState.READY and (card is None or not card.fresh()):
            state = ModelState.NEW
        missing: dict[str, str] = {}
        if card is not None:
            for name, item in self.catalog.all().items():
                broken = f"{name} is broken." if item.error else ""
                missing[name] = broken or unfit(item, card)
        return ModelView(record, state, card, record.name in self.jobs.warm(), missing)

    def _prepare(self) -> None:
        """Do what may wait until the first page is served."""
        with suppress(PluginError):  # whoever asks for the catalogue gets the same answer
            self.catalog.all()
        self.artifacts.sweep(self.store.referred_artifacts(), _SWEEP_AGE)
        audits.sweep(self.place.audits, _AUDITS_AGE)
        self._sweep_leftovers()

    def _sweep_leftovers(self) -> None:
        """Delete what audits and data sets have left behind that nobody uses."""
        leftovers.sweep_folders(self.place.audits, self.jobs.in_folders)
        leftovers.sweep_archives(self._uploads.folder, self._uploads.wanted)


def _dataset_name(text: str) -> str:
    """Return what a data set is called that somebody calls so: the name stands in an address."""
    return _FORBIDDEN.sub(" ", text).strip(". ")[:100].strip(". ") or "pictures"


def _shorten(log: Path) -> None:
    """Begin a log anew that has grown large."""
    if log.is_file() and log.stat().st_size > _LOG_BYTES:
        log.unlink()
