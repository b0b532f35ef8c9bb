"""What a worker process does: open a model, run a job. Its reports go straight into the store."""

from __future__ import annotations

import faulthandler
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picasso.core import registry, runner
from picasso.core.asking import read_place
from picasso.core.errors import (
    CanceledError,
    NotSupportedError,
    OutOfMemoryError,
    PicassoError,
    PictureError,
    PluginError,
)
from picasso.core.fitting import missing, read_settings
from picasso.core.model import Model
from picasso.core.pictures.images import decode_picture
from picasso.core.registry import Entry
from picasso.core.result import Result
from picasso.core.result_keys import cache_key, target_key
from picasso.core.settings import Settings
from picasso.core.targets import targets_of
from picasso.service import audits, films, leftovers
from picasso.service.artifacts import Artifacts
from picasso.service.comparisons import comparison_key, record_of
from picasso.service.configuration import ModelSpecification
from picasso.service.database import Database, now
from picasso.service.job_store import JobStore
from picasso.service.limits import end_with_parent, guard_memory, time_to_open
from picasso.service.masks import Masks, kept_mask, mask_in_dataset
from picasso.service.panel_store import GRACE_SECONDS, ShownPanels, finite
from picasso.service.pictures import Pictures
from picasso.service.records import Fault, JobRecord, ModelState, ResultRecord, State, TaskRecord
from picasso.service.store import Store
from picasso.service.warm_model import WARM

if TYPE_CHECKING:
    from picasso.core.dataset import Dataset

REPORT_SECONDS = 1 / 8
"""Progress is written, and a cancel noticed, at most this often."""


@dataclass(frozen=True)
class Place:
    """Where a worker finds everything.

    Args:
        database: URL.
        artifacts: Folder.
        audits: Folder of what audits have measured, so that one that was stopped goes on.
        plugins: Folders of the user's visualizations.
        log: File for what frameworks say.
        memory: Gigabytes that the process may take; None for most of the computer's.
        opening_seconds: How long opening a model may take.
        grace: Seconds for which the arrays of a replaced panel can still be read.
    """

    database: str
    artifacts: Path
    audits: Path
    plugins: tuple[Path, ...]
    log: Path
    memory: float | None = None
    opening_seconds: float = 600
    grace: float = GRACE_SECONDS


def open_model(place: Place, name: str) -> None:
    """Open a model, and write its card or the reason why it cannot be opened."""
    settle(place)
    database = Database(place.database)
    try:
        store = Store(database)
        guarded(lambda: ready_model(store, name, place.opening_seconds))
    finally:
        database.close()


def run_job(place: Place, job: str, attempt: int) -> None:
    """Run a job to its end."""
    settle(place)
    database = Database(place.database)
    try:
        _Work(place, database, job, attempt).run()
    finally:
        database.close()


class _Work:
    """One attempt of one job."""

    def __init__(self, place: Place, database: Database, job: str, attempt: int) -> None:
        self.place = place
        self.store = Store(database)
        self.jobs = JobStore(database)
        self.artifacts = Artifacts(place.artifacts)
        self.attempt = attempt
        self.job: JobRecord = self.jobs.job(job)
        self.tasks = [task for task in self.jobs.tasks([job])[job] if task.state is not State.DONE]

    def run(self) -> None:
        error = guarded(self._work())
        if isinstance(error, CanceledError):
            self.jobs.finish(self.job.id, self.attempt, State.CANCELED)
        elif error is not None:
            self.jobs.finish(self.job.id, self.attempt, State.FAILED, Fault.of(error))
        else:
            self.jobs.finish(self.job.id, self.attempt, State.DONE)

    def _work(self) -> Callable[[], None]:
        if self.job.dataset is not None:
            return self._audit
        if self.job.video is not None:
            return self._film
        return self._run_tasks if self.job.methods is None else self._compare

    def _open(self) -> Model:
        task = self.tasks[0] if self.tasks else None
        if not self.jobs.begin(self.job.id, self.attempt, task, os.getpid(), "Opening the model"):
            raise CanceledError("The job was canceled.")
        return ready_model(self.store, self.job.model, self.place.opening_seconds)

    def _find(self, name: str) -> Entry:
        """Return a visualization."""
        return registry.visualization(name, self.place.plugins)

    def _run_tasks(self) -> None:
        model = self._open()
        entry = self._find(self.job.visualization)
        settings = read_settings(entry, self.job.settings)
        if reason := missing(model, entry):
            raise NotSupportedError(reason, "Choose another visualization.")
        first: PicassoError | None = None
        for task in self.tasks:
            error = guarded(lambda task=task: self._run_task(task, model, entry, settings))  # type: ignore[misc]
            if isinstance(error, CanceledError | OutOfMemoryError):
                raise error
            if error is not None:
                self.jobs.set_task(task, self.attempt, State.FAILED, error=Fault.of(error))
                first = first or error
        if first is not None:
            raise first

    def _compare(self) -> None:
        """Compare methods over all pictures of the job: one comparison comes out."""
        # Loaded here: the web process, which imports this module, never measures anything.
        from picasso.scorecard.comparing import choose_methods, compare_all

        job, model = self.job, self._open()
        tasks = self.jobs.tasks([job.id])[job.id]
        methods = choose_methods(model, job.methods, self.place.plugins)
        target, place = job.target[0] if job.target else None, read_place(job.at)
        pictures = [task.picture for task in tasks if task.picture is not None]
        masks = [task.mask for task in tasks] if any(task.mask for task in tasks) else []
        key = comparison_key(
            model=model.digest,
            methods=[
                ((m.name, m.entry.digest, m.entry.load().version), m.settings.model_dump(mode="json")) for m in methods
            ],
            pictures=pictures,
            masks=masks,
            target=None if target is None else target_key(target, model.labels, model.facts.columns, model.facts.task),
            seed=job.seed,
            at=place.key if place else "",
        )
        if not self.store.has_comparison(key):
            named = zip(pictures, tasks, strict=True)
            read = (
                (
                    decode_picture(self.artifacts.get(picture), task.name),
                    None if task.mask is None else kept_mask(self.artifacts, task.mask),
                )
                for picture, task in named
            )
            try:
                comparison = compare_all(
                    model,
                    read,
                    len(tasks),
                    methods,
                    target=target,
                    at=place,
                    seed=job.seed,
                    report=_Reporter(self.jobs, job.id, tasks[0], self.attempt).report,
                )
            except PicassoError:
                raise
            except Exception as error:
                _raise_out_of_memory(model, error)
                raise
            self.store.add_comparison(record_of(comparison, key, job, pictures, masks, self.artifacts))
        self.jobs.set_comparison(job.id, self.attempt, key)

    def _audit(self) -> None:
        """Audit the model on a data set: one audit comes out."""
        # Loaded here: the web process, which imports this module, never measures anything.
        from picasso.auditing.running import audit
        from picasso.auditing.thresholds import MOST_PICTURES
        from picasso.core.dataset import read_dataset

        job, model, started = self.job, self._open(), time.monotonic()
        assert job.dataset is not None
        report = _Reporter(self.jobs, job.id, None, self.attempt).report
        report(0, 1, "Reading the data set")
        dataset = read_dataset(
            self.store.dataset(job.dataset).path,
            progress=lambda done, total: report(done, total, "Making the data set"),
        )
        dataset = replace(dataset, name=job.dataset)  # as it is called here, not as its file is
        key = audits.audit_key(
            model=model.digest,
            dataset=dataset.digest,
            # With the names, as the page says them and leads back to them.
            asked={**job.settings, "names": [job.model, job.dataset]},
            seed=job.seed,
            interventions={name: entry.digest for name, entry in registry.interventions().items()},
        )
        if not self.store.has_audit(key):
            self.place.audits.mkdir(exist_ok=True)
            prefix = leftovers.folder_prefix(job.id, self.attempt)
            with tempfile.TemporaryDirectory(prefix=prefix, dir=self.place.audits) as folder:
                try:
                    findings = audit(
                        model,
                        dataset,
                        match=job.settings["match"] or {},
                        limit=job.settings["limit"] or MOST_PICTURES,
                        seed=job.seed,
                        kept=self.place.audits,
                        counterfactuals=Path(folder) / "counterfactuals",
                        confirmed=job.settings["confirmed"],
                        report=report,
                    )
                except PicassoError:
                    raise
                except Exception as error:
                    _raise_out_of_memory(model, error)
                    raise
                pictures = self._adopt(dataset, audits.shown_pictures(findings))
                seconds = time.monotonic() - started
                self.store.add_audit(
                    audits.record_of(findings, key, job, pictures, seconds, self.artifacts, Path(folder))
                )
        self.jobs.set_audit(job.id, self.attempt, key)

    def _film(self) -> None:
        """Lay maps over a video: one film comes out."""
        # Loaded here: the web process, which imports this module, reads no videos.
        from picasso.core.video.filming import film_video

        job, model = self.job, self._open()
        assert job.video is not None
        entry = registry.visualization(job.visualization, self.place.plugins)
        self.place.audits.mkdir(exist_ok=True)
        prefix = leftovers.folder_prefix(job.id, self.attempt)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.place.audits) as folder:
            try:
                film = film_video(
                    model,
                    self.artifacts.path(job.video.digest),
                    entry,
                    read_settings(entry, job.settings),
                    out=Path(folder) / "film.mp4",
                    name=job.video.name,
                    target=job.target[0] if job.target else None,
                    top=job.top,
                    channel=job.video.channel,
                    every=job.video.every,
                    keep=False,
                    report=_Reporter(self.jobs, job.id, None, self.attempt).report,
                )
            except PicassoError:
                raise
            except Exception as error:
                _raise_out_of_memory(model, error)
                raise
            self.jobs.set_film(job.id, self.attempt, films.record_of(film, self.artifacts))

    def _adopt(self, dataset: Dataset, names: Iterable[str]) -> dict[str, str]:
        """Take pictures of a data set in, so that they can be seen and explained; return their digests by name."""
        pictures, examples = Pictures(self.store, self.artifacts), {one.name: one for one in dataset.examples}
        masks, found = Masks(self.store, self.artifacts), {}
        for name in names:
            with suppress(PictureError):  # one that the audit has left out, too
                mask, note = mask_in_dataset(dataset, examples[name])
                picture = pictures.adopt(dataset.read(examples[name]), name, (note,) if note else (), brought=False)
                found[name] = picture.digest
                if mask is not None:
                    masks.adopt(picture, mask, dataset.name)
        return found

    def _run_task(self, task: TaskRecord, model: Model, entry: Entry, settings: Settings) -> None:
        job = self.job
        if not self.jobs.set_task(task, self.attempt, State.RUNNING):
            raise CanceledError("The job was canceled.")
        picture = None if task.picture is None else decode_picture(self.artifacts.get(task.picture), task.name)
        target = list(job.target) if job.target is not None else None
        targets, place = targets_of(target), read_place(job.at)
        key = cache_key(model, entry, settings, picture, targets, job.top, job.seed, place, find=self._find)
        if self.store.stored([key]):
            self.jobs.set_task(task, self.attempt, State.DONE, key, stored=True)
            return
        panels = ShownPanels(self.artifacts, self.place.grace)
        events: dict[str, int] = {}
        try:
            result = runner.run(
                model,
                picture,
                entry,
                settings,
                target=target,
                top=job.top,
                at=place,
                seed=job.seed,
                report=_Reporter(self.jobs, job.id, task, self.attempt).report,
                show=lambda panel: self._show(task, panels.keep(panel), events),
                find=self._find,
            )
            self._keep(task, key, result, panels)
            self.jobs.set_task(task, self.attempt, State.DONE, key)
        except PicassoError:
            raise
        except Exception as error:
            _raise_out_of_memory(model, error)
            raise
        finally:
            panels.forget_replaced()

    def _show(self, task: TaskRecord, panel: dict[str, Any], events: dict[str, int]) -> None:
        number = self.jobs.show(self.job.id, self.attempt, task, panel, events.get(panel["id"]))
        if number is None:
            raise CanceledError("The job was canceled.")
        events[panel["id"]] = number

    def _keep(self, task: TaskRecord, key: str, result: Result, panels: ShownPanels) -> None:
        self.store.add_result(
            ResultRecord(
                key=key,
                job=self.job.id,
                model=self.job.model,
                visualization=self.job.visualization,
                picture=task.picture,
                document=finite(result.document()),
                panels=tuple(panels.keep(panel) for panel in result.panels),
                arrays=self.artifacts.put(result.npz(), durable=True),
                created=now(),
            )
        )


def _raise_out_of_memory(model: Model, error: Exception) -> None:
    if model.is_out_of_memory(error):
        raise OutOfMemoryError(
            "The device's memory does not suffice.", "Use a smaller batch, a smaller picture or another device."
        ) from error


class _Reporter:
    """Writes progress, not too often, and stops the work where it was canceled."""

    def __init__(self, jobs: JobStore, job: str, task: TaskRecord | None, attempt: int) -> None:
        self.jobs = jobs
        self.job = job
        self.task = task
        self.attempt = attempt
        self._written = 0.0
        self._last = (-1, -1)

    def report(self, done: int, total: int, message: str) -> None:
        moment = time.monotonic()
        ended = 0 < total <= done and self._last != (done, total)  # total is 0 where nobody knows it
        if moment - self._written < REPORT_SECONDS and not ended:
            return
        self._written, self._last = moment, (done, total)
        if not self.jobs.report(self.job, self.attempt, self.task, int(done), int(total), str(message)):
            raise CanceledError("The job was canceled.")


def ready_model(store: Store, name: str, seconds: float) -> Model:
    """Return the open model; its card is written whenever it had to be opened."""
    record = store.model(name)
    specification = ModelSpecification.model_validate(record.specification)
    if not WARM.holds(specification):
        store.set_model_state(name, ModelState.OPENING)
        with time_to_open(seconds):
            error = guarded(lambda: store.set_card(name, asdict(WARM.open(specification))))
        if error is not None:
            store.set_model_state(name, ModelState.FAILED, Fault.of(error))
            raise error
    elif record.card is None or record.state is not ModelState.READY:
        # The row was made anew (the configuration changed back, say) while this process kept the model.
        store.set_card(name, asdict(WARM.describe()))
    assert WARM.model is not None
    return WARM.model


def guarded(action: Callable[[], object]) -> PicassoError | None:
    """Run something that calls the user's code, and return what went wrong as one of Picasso's errors."""
    try:
        action()
    except PicassoError as error:
        return error
    except SystemExit as error:
        return PluginError(f"The model or the visualization called exit({error.code}).", "Remove that call.")
    except MemoryError:
        return OutOfMemoryError("The memory does not suffice.", "Use a smaller picture or a smaller model.")
    except Exception as error:
        return PicassoError(f"{type(error).__name__}: {error}", "This is a bug in Picasso; please report it.")
    return None


def settle(place: Place) -> None:
    """Prepare a worker process, at its first call."""
    if faulthandler.is_enabled():
        return
    # Frameworks greet and warn on this channel as they please; the server's terminal is for people. What a plug-in
    # prints still goes there.
    with place.log.open("ab") as log:
        os.dup2(log.fileno(), 2)
    faulthandler.enable()
    # Read by OpenMP when the framework is loaded. By default a thread that waits for the others keeps its core busy
    # for milliseconds: two models at work at the same time then take three times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    guard_memory(place.memory)
    end_with_parent()
