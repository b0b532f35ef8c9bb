"""Runs a model over the pictures of a folder or data set, once: what is kept already is not run again."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core import registry
from picasso.core.dataset import Dataset, Example, Skipped, match_classes, read_dataset
from picasso.core.dataset.folders import is_picture
from picasso.core.dataset.places import list_archive, list_folder
from picasso.core.dataset.sources import File
from picasso.core.errors import (
    DatasetError,
    ModelFailedError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
    PictureError,
    SettingsError,
)
from picasso.core.even_choice import evenly_chosen
from picasso.core.facts import Capability, Observed, Sample, Task
from picasso.core.index.picture_index import PictureIndex, Report
from picasso.core.index.properties import measure
from picasso.core.index.reading import Reading, strongest
from picasso.core.index.shelf import Row, Shelf, forget_oldest
from picasso.core.layers.channel_statistics import laid_out
from picasso.core.model import Model
from picasso.core.preprocessing import Array

FORMAT = 2
"""Of what is kept; a change means that everything is read anew."""
MOST_PICTURES = 10_000
"""Pictures of an index, where nobody asks for another number."""
AHEAD = 2
"""Batches that are decoded while one runs; with this one they are all that is in memory at a time."""
VIEW_SIDE = 256
"""The longer side of what is kept of a picture for the eye, in pixels."""
_QUALITY = 90


def index_pictures(
    model: Model, source: str | Path, readings: Sequence[Reading], report: Report, most: int = MOST_PICTURES
) -> PictureIndex:
    """Find what a model makes of the pictures of a folder or data set.

    Everything is kept in Picasso's folder, row by row, under the model's digest and the picture's path, size and date.
    So an index that was stopped goes on where it stopped, and of a folder that changed only what changed is run. What
    could not be read is tried again each time.

    Args:
        model: A model of still pictures, whole, not focused on a part.
        source: A folder of pictures, also in folders within, or a data set: "demo:tanks".
        readings: What is read of which layers; () for the scores alone.
        report: Called before the first batch and after each.
        most: How many pictures at most; of more, so many at even distances.

    Raises:
        SettingsError: No folder is named.
        NotSupportedError: The model is one of clips; or it has no classes, or gives no gradients, and is asked what is
            relevant for one.
        NotFoundError: There is no such folder or data set, no such layer, or none of its files is a picture that the
            network can read.
        ModelOutputError: A layer has values that cannot be laid out as a map.
    """
    if not str(source):
        raise SettingsError("album must name a folder of pictures or a data set. Got none.")
    _check(model, readings)
    report(0, 1, "Reading the data set")
    dataset = pictures_of(source)
    examples = evenly_chosen(dataset.examples, most)
    keys = [_key(example) for example in examples]
    shelf = Shelf(_file(model))
    wanted = shelf.lacking(keys, readings)
    missing = {key: example for key, example in zip(keys, examples, strict=True) if key in wanted}
    problems: dict[str, str] = {}
    done = len(examples) - len(missing)
    report(done, len(examples), f"picture {done:,} of {len(examples):,}")
    for ran in _read(model, dataset, missing, readings):
        shelf.add(ran.rows)
        problems |= ran.problems
        done += len(ran.rows) + len(ran.problems)
        report(done, len(examples), f"picture {done:,} of {len(examples):,}")
    if missing:
        forget_oldest(shelf.file)
    kept = [(key, example) for key, example in zip(keys, examples, strict=True) if key not in problems]
    if not kept:
        first = next(iter(problems.values()), "It is empty.")
        raise NotFoundError(f"'{source}' holds no picture that the network can read: {first}", "Give other pictures.")
    truth, unmatched = _truth(model, dataset, [example for _, example in kept])
    unreadable = tuple(
        Skipped(example.name, problems[key]) for key, example in zip(keys, examples, strict=True) if key in problems
    )
    return PictureIndex(
        dataset=dataset,
        examples=tuple(example for _, example in kept),
        truth=truth,
        unmatched=unmatched,
        unreadable=unreadable,
        shelf=shelf,
        keys=tuple(key for key, _ in kept),
    )


def pictures_of(source: str | Path) -> Dataset:
    """Read a data set, or a folder or archive of pictures without classes, in which every label is "".

    Raises:
        NotFoundError: It is neither.
    """
    try:
        return read_dataset(source)
    except DatasetError as error:
        why = error
    path = Path(source).expanduser()
    try:
        place = list_folder(path) if path.is_dir() else list_archive(path)
    except (DatasetError, OSError):
        raise NotFoundError(f"There is no folder or data set of pictures '{source}'.", str(why)) from why
    examples = tuple(Example(name, "", file) for name, file in place.files.items() if is_picture(name))
    if not examples:
        raise NotFoundError(f"There are no pictures in '{source}'.", "Give another folder or data set.") from why
    return Dataset(place.name, (), examples, place.skipped, (why.message,))


def _check(model: Model, readings: Sequence[Reading]) -> None:
    """Refuse what would fail on each picture anew."""
    if model.facts.frames is not None:
        raise NotSupportedError("A folder is read picture by picture.", "Give a model of still pictures, not of clips.")
    layers = {layer.name: layer for layer in model.layers()}
    for reading in readings:
        if reading.layer not in layers:
            raise NotFoundError(f"There is no layer '{reading.layer}'.", f"The last are {', '.join([*layers][-3:])}.")
        laid_out(model, np.zeros((1, *layers[reading.layer].shape), np.float32))
        if reading.label is None:
            continue
        if model.facts.task is not Task.CLASSIFICATION:
            raise NotSupportedError("Relevance is relevance for a class.", "Give a classifier, or name no class.")
        if Capability.GRADIENTS not in model.capabilities:
            raise NotSupportedError("Relevance needs gradients: the model gives none.", "Name no class.")


def _file(model: Model) -> Path:
    facts = f"{FORMAT}\0{model.digest}\0{metadata.version('picasso')}"
    return registry.home() / "indexes" / f"{hashlib.sha256(facts.encode()).hexdigest()}.sqlite3"


def _key(example: Example) -> str:
    """Return the key of a picture's file: where it lies, and what changes when it does."""
    source = example.source
    place = source.path.absolute() if isinstance(source, File) else f"{source.archive.absolute()}\0{source.name}"
    outlined = "" if example.mask is None else example.mask.stamp
    facts = f"{place}\0{source.stamp}\0{outlined}\0{example.boxes}"
    return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture as the model reads it, (1, h, w, c), with what is kept of it for the eye."""

    key: str
    x: Array
    view: bytes
    properties: Array


@dataclass(frozen=True, eq=False)
class _Problem:
    """Why the picture of a key cannot be read."""

    key: str
    words: str


_Looked = _Seen | _Problem


@dataclass(frozen=True, eq=False)
class _Ran:
    """What came of a batch: rows, and why others have none, by key."""

    rows: list[Row]
    problems: dict[str, str]


def _read(
    model: Model, dataset: Dataset, missing: Mapping[str, Example], readings: Sequence[Reading]
) -> Iterator[_Ran]:
    """Run the model over pictures, batch by batch; the next ones are decoded meanwhile."""

    def see(key: str, example: Example) -> _Looked:
        try:
            picture = dataset.picture(example)
            sample: Sample = model.prepare(picture)
            try:
                mask = dataset.object_mask(example, picture)
            except PictureError:  # its mask is no mask: the picture is one all the same
                mask = None
            return _Seen(key, sample.x, _jpeg(sample.view), measure(sample.view, mask))
        except (PictureError, ModelFailedError, ModelOutputError) as error:
            return _Problem(key, error.message)

    # One thread: a user's hook need not bear two at a time.
    pool = ThreadPoolExecutor(1, "picasso-decoding")
    try:
        for batch in _batches(_ahead(pool, see, missing, AHEAD * model.batch_size), model.batch_size):
            yield _rows(model, batch, readings)
    finally:  # also where the work is canceled
        pool.shutdown(cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, see: Callable[[str, Example], _Looked], missing: Mapping[str, Example], most: int
) -> Iterator[_Looked]:
    """Return what is seen, in order; no more than so many are decoded before they are asked for."""
    waiting = deque[Future[_Looked]]()
    for key, example in missing.items():
        waiting.append(pool.submit(see, key, example))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(seen: Iterable[_Looked], size: int) -> Iterator[list[_Looked]]:
    batch: list[_Looked] = []
    for one in seen:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(model: Model, batch: Sequence[_Looked], readings: Sequence[Reading]) -> _Ran:
    """Return what is kept of a batch. Where the network fails on it, its pictures are run one by one."""
    seen = [one for one in batch if isinstance(one, _Seen)]
    ran = _Ran([], {one.key: one.words for one in batch if isinstance(one, _Problem)})
    try:
        ran.rows.extend(_run(model, seen, readings) if seen else [])
    except (ModelFailedError, ModelOutputError) as error:
        if len(seen) == 1:
            ran.problems[seen[0].key] = error.message
            return ran
        for one in seen:
            alone = _rows(model, [one], readings)
            ran.rows.extend(alone.rows)
            ran.problems.update(alone.problems)
    return ran


def _run(model: Model, seen: Sequence[_Seen], readings: Sequence[Reading]) -> list[Row]:
    found, gradients = _observed(model, np.concatenate([one.x for one in seen]), readings)
    scored = model.facts.task is Task.CLASSIFICATION
    scores = model.class_scores(found.outputs) if scored else np.zeros((len(seen), 0), np.float32)
    kept = {}
    for reading in readings:
        values = found.values[reading.layer]
        kept[reading] = strongest(model, values if reading.label is None else values * gradients[reading])
    return [
        Row(one.key, scores[i], one.properties, one.view, {reading: rows[i] for reading, rows in kept.items()})
        for i, one in enumerate(seen)
    ]


def _observed(model: Model, x: Array, readings: Sequence[Reading]) -> tuple[Observed, dict[Reading, Array]]:
    """Run forward, and backward where a class is asked about; return gradients by reading."""
    layers = list(dict.fromkeys(reading.layer for reading in readings))
    labels = list(dict.fromkeys(reading.label for reading in readings if reading.label is not None))
    if not labels:
        return model.observe(x, layers), {}
    pulled = model.pullback(x, [model.target(label) for label in labels], layers)
    gradients = {
        reading: pulled.gradients[reading.layer][labels.index(reading.label)]
        for reading in readings
        if reading.label is not None
    }
    return Observed(pulled.outputs, pulled.values), gradients


def _jpeg(view: NDArray[np.uint8]) -> bytes:
    image, file = Image.fromarray(view), io.BytesIO()
    image.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.BOX)
    # Colors at full size: of a receptive field of few pixels they would else be those around it.
    image.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def _truth(model: Model, dataset: Dataset, examples: Sequence[Example]) -> tuple[NDArray[np.int64], str]:
    """Return the number of the model's class of each example, -1 where it is not known, and why it is not."""
    unknown = np.full(len(examples), -1, np.int64)
    if not dataset.classes or model.facts.task is not Task.CLASSIFICATION:
        return unknown, ""
    try:
        matched = match_classes(dataset.classes, model.labels)
    except DatasetError as error:
        return unknown, error.message
    return np.array([matched[example.label] for example in examples], np.int64), ""
