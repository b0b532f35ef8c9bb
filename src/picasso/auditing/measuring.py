"""From a model and a data set to what was measured: which pictures, under which properties, with which effect."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.choices import Choices
from picasso.auditing.donors import Donors, draw_donors
from picasso.auditing.effects import Table, cleared, effect_of, judged, plain
from picasso.auditing.engines import Engine, Here, Pool, Setup
from picasso.auditing.experiment import Experiment, Measured, Question, Shard, shard_key, shards_of
from picasso.auditing.eye import Eye
from picasso.auditing.files.copies import find_copies
from picasso.auditing.files.facts import FileFacts, file_facts
from picasso.auditing.findings import Effect, Untested
from picasso.auditing.gallery import Gallery, Parts
from picasso.auditing.ray_engine import Cluster
from picasso.auditing.regions.confirming import Confirmed, read_confirmed, region_name
from picasso.auditing.regions.kinds import FITTED_ON, find_kinds
from picasso.auditing.selecting import Selection, require_pictures, select, spread
from picasso.auditing.shelf import Shelf
from picasso.auditing.thresholds import (
    DROP,
    LEAST_LEFT,
    SCREEN,
    SCREEN_FROM,
    SCREEN_LEAST,
    SCREEN_MOST,
    TURNS,
    TURNS_MOST,
)
from picasso.auditing.ties import Ties
from picasso.core import registry
from picasso.core.dataset import Dataset, match_classes
from picasso.core.errors import ConfigurationError, DatasetError, PictureError
from picasso.core.interventions.intervention import Intervention, Need, Role
from picasso.core.model import Model

Report = Callable[[int, int, str], None]
_ABOUT = 49
"""Properties that are tried, about."""
_SUSPECTS = 0.4
"""Share of the properties that the screening leaves, about: for the estimate of the progress alone."""
_REASONS = {
    Need.OBJECT: "It is not known where the object is. Give masks or boxes, or say which region is the object.",
    Need.OUTLINE: "Where the object ends is not known: a region that was found ends sooner on one background than on "
    "another. Give masks or boxes.",
    Need.REGIONS: "The data set says where the objects are, so no regions were looked for; --regions does.",
}


@dataclass(frozen=True, eq=False)
class Measurements:
    """Everything that was measured.

    Args:
        selection: The pictures and their classes.
        files: What the file of each audited picture says, by the picture's number: of those that can be read and are
            no copies of others.
        base, answers: Margin and answer of each picture as it is, (pictures,); NaN and -1 where it cannot be read.
        scale: Root mean square of these margins.
        said: What is known of where the object is.
        experiment: The experiment.
        donors: Of each picture that can be read, in the first turn.
        table: Every margin and answer under every sham and treatment.
        effects: Of every question, judged.
        confirming: Number of the pictures that confirm a suspect.
        untested: What was not asked, and why.
        unasked: How many properties these pictures allow that nobody asked for, as the choices name interventions.
        notes: What a reader should know.
    """

    selection: Selection
    files: Mapping[int, FileFacts]
    base: NDArray[np.float64]
    answers: NDArray[np.int64]
    scale: float
    said: Confirmed
    experiment: Experiment
    donors: Mapping[int, Donors]
    table: Table
    effects: tuple[Effect, ...]
    confirming: int
    untested: tuple[Untested, ...]
    unasked: int
    notes: tuple[str, ...]

    @property
    def readable(self) -> list[int]:
        """Numbers of the pictures that are audited."""
        return list(self.files)


class Measuring:
    """Measures a model on a data set, step by step.

    Args:
        model: The model.
        source: What `load_model` opened, "" where nothing is known, and with which words.
        dataset: The data set.
        choices: How.
        shelf: Where shards are kept.
        report: Called with (done, total, message); it may raise to stop.

    Raises:
        PicassoError: The model is no classifier of pictures, the data set is too small, its classes are unknown.
    """

    def __init__(
        self,
        model: Model,
        source: tuple[str, Mapping[str, Any]],
        dataset: Dataset,
        choices: Choices,
        shelf: Shelf,
        report: Report,
    ) -> None:
        self.model, self.dataset, self.choices, self.shelf, self.report = model, dataset, choices, shelf, report
        self.eye = Eye(model)
        known = match_classes(dataset.classes, model.labels, choices.match)
        self.selection: Selection = select(dataset, known, choices.limit, choices.seed)
        self.columns = tuple(known[name] for name in self.selection.classes)
        self.labels = np.asarray(self.selection.labels, np.int64)
        self.digests = [""] * len(self.selection.examples)
        self.kinds: list[str] = []
        self.source = source
        self.untested: list[Untested] = []
        self.unasked = 0
        self.objects: tuple[int, ...] = ()
        self.notes, self.unreadable = [*self.selection.notes], list[str]()
        self.done, self.total = 0, 1

    def run(self) -> Measurements:
        """Measure: look at every picture, try everything on some of them, confirm what is left on the others."""
        count = len(self.selection.examples)
        some, others = _screening(range(count))
        self.total = 2 * count + _ABOUT * (len(some) + round(_turns(count) * len(others) * _SUSPECTS))
        files = self._read_files()
        self._require(list(files), 0)
        copies = self._leave_out_copies(files)
        base, answers = self._look(files)
        self.notes += [f"Left out: {reason}" for reason in self.unreadable]
        files = {number: files[number] for number in spread(list(files), self.selection.labels)}
        readable = list(files)
        self._require(readable, copies)
        scale = float(np.sqrt(np.square(base[readable]).mean())) or 1.0
        parts, said = self._parts(readable)
        setup = self._setup(self._questions(said, parts), parts)
        experiment = setup.experiment(self.model)
        labels = {number: self.selection.labels[number] for number in readable}
        donors = [draw_donors(labels, self.choices.seed, turn) for turn in range(_turns(len(readable)))]
        table = Table.empty(len(setup.questions), count, len(donors))
        with closing(self._engine(setup, experiment)) as engine:
            effects, confirming = self._tried(engine, experiment, table, readable, donors, scale)
        return Measurements(
            self.selection, files, base, answers, scale, said, experiment, donors[0], table, tuple(effects), confirming,
            tuple(self.untested), self.unasked, tuple(self.notes),
        )  # fmt: skip

    def _require(self, readable: Sequence[int], copies: int) -> None:
        """Refuse to go on with too few pictures that can be read and are no copies."""
        require_pictures(len(readable), copies, self.unreadable)
        counts = np.bincount(self.labels[readable], minlength=len(self.columns))
        for name, count in zip(self.selection.classes, counts, strict=True):
            if count < LEAST_LEFT:
                alone = " and are no copies of others" if copies else ""
                raise DatasetError(
                    f"Of the pictures of '{name}' only {count} can be read{alone}; {LEAST_LEFT} are needed.",
                    "Mend them or add others, or leave that class out.",
                )

    def advance(self, work: int, message: str) -> None:
        """Report that some work is done."""
        self.done += work
        self.report(min(self.done, self.total), self.total, message)

    def _read_files(self) -> dict[int, FileFacts]:
        """Return what the files of the pictures say, of those that can be read, by number."""
        found = {}
        for number, example in enumerate(self.selection.examples):
            try:
                found[number] = file_facts(self.dataset.read(example), example.name)
                mask = None if example.mask is None else example.mask.stamp
                self.digests[number] = json.dumps([found[number].digest, mask, example.boxes])
            except PictureError as error:
                self.unreadable.append(str(error))
            self.advance(1, "Reading the files")
        return found

    def _leave_out_copies(self, files: dict[int, FileFacts]) -> int:
        """Take copies out of the files, note which, and return how many they were."""
        selection = self.selection
        copies, said = find_copies(files, selection.examples, selection.labels, selection.classes)
        self.notes += said
        for number in copies:
            del files[number]
        return len(copies)

    def _look(self, files: dict[int, FileFacts]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return margin and answer of every picture as it is; what cannot be read with its mask leaves the files."""
        count = len(self.selection.examples)
        base, answers = np.full(count, np.nan), np.full(count, -1)
        engine = Here(self._setup((), None).experiment(self.model))
        for shard, measured in self._measured(engine, shards_of(list(files)), (), "Looking at the pictures"):
            at = list(shard.pictures)
            base[at], answers[at] = measured.margin[0, :, 0], measured.answer[0, :, 0]
            for number, reason in measured.unreadable.items():
                self.unreadable.append(reason)
                del files[number]
        return base, answers

    def _parts(self, readable: Sequence[int]) -> tuple[Parts | None, Confirmed]:
        """Return the kinds of regions where the objects are not known, and what is known of the objects."""
        masks = self.selection.masks
        if masks and not self.choices.regions:
            if self.choices.confirmed:
                raise ConfigurationError(
                    "The data set says where the objects are: no regions are looked for that could be confirmed.",
                    "Leave out what was confirmed, or look for regions, too (--regions).",
                )
            return None, Confirmed(masks=True)
        self.report(self.done, self.total, "Looking for regions")
        gallery = Gallery(self.dataset, self.selection.examples, self.selection.labels, self.eye, masks=False)
        views = [gallery.seen(number).view for number in readable[:FITTED_ON]]
        kinds = find_kinds(views, self.labels[readable[:FITTED_ON]], self.choices.seed)
        self.kinds = [kinds.digest]
        said = replace(read_confirmed(self.choices.confirmed, kinds), masks=masks)
        self.objects = said.object
        listed = "; ".join(f"{region_name(number)} is {words}" for number, words in enumerate(kinds.names))
        self.notes.append(f"Regions found in the pictures alone, without the model: {listed}.")
        if not said.known and kinds.object.kind is not None and kinds.object.kind not in said.other:
            said, likely = replace(said, likely=kinds.object.kind), region_name(kinds.object.kind)
            self.notes.append(f"The object is perhaps {likely}. If so, say it: --confirm {likely}=object.")
        return Parts(kinds, said.object), said

    def _questions(self, said: Confirmed, parts: Parts | None) -> tuple[Question, ...]:
        """Return everything that can be asked, and note what cannot."""
        entries = registry.interventions()
        for name in self.choices.interventions:
            registry.intervention(name)
        given = {Need.OBJECT} if said.known else set()
        given |= {Need.OUTLINE} if said.masks else set()
        given |= {Need.REGIONS} if parts else set()
        questions: list[Question] = []
        for name, entry in entries.items():
            if entry.kind is None:
                self.untested.append(Untested(name, f"It is broken: {entry.error.strip().splitlines()[-1]}"))
                continue
            intervention: Intervention = entry.load()()
            missing = intervention.needs - given
            names = parts.kinds.names if parts else ()
            asked = () if missing else intervention.properties(self.eye.size, names)
            if self.choices.interventions and name not in self.choices.interventions:
                self.untested.append(Untested(intervention.title, "It was not asked for."))
                self.unasked += len(asked) if intervention.role.accuses else 0
                continue
            if missing:
                self.untested.append(Untested(intervention.title, _REASONS[min(missing)]))
                continue
            digest = f"{entry.digest}:{intervention.version}"
            questions += [Question(what, name, digest, intervention.role, intervention.on_object) for what in asked]
        if not questions:
            raise ConfigurationError("There is nothing to test.", "Name an intervention that these pictures allow.")
        return tuple(questions)

    def _engine(self, setup: Setup, experiment: Experiment) -> Engine:
        if self.choices.engine == "ray":
            return Cluster(setup, self.model, self.choices.processes)
        if self.choices.processes > 1 and setup.source:
            return Pool(setup, self.choices.processes)
        return Here(experiment)

    def _tried(
        self,
        engine: Engine,
        experiment: Experiment,
        table: Table,
        readable: Sequence[int],
        donors: Sequence[Mapping[int, Donors]],
        scale: float,
    ) -> tuple[list[Effect], int]:
        """Return the effects, judged, and on how many pictures a suspect is confirmed."""
        questions, classes = experiment.questions, len(self.columns)
        some, others = _screening(readable)

        def ask(pictures: Sequence[int], numbers: Sequence[int], turns: range, message: str) -> None:
            shards = [shard for turn in turns if numbers for shard in shards_of(pictures, numbers, donors[turn], turn)]
            for shard, measured in self._measured(engine, shards, questions, message):
                table.enter(shard, measured)

        @functools.cache
        def ties(pictures: tuple[int, ...]) -> Ties:
            return Ties(pictures, donors)

        def effect(number: int, pictures: Sequence[int], screened: bool = False) -> Effect:
            tied = ties(tuple(pictures))
            return effect_of(questions[number], number, table, tied, self.labels, classes, scale, screened)

        everything, first, again = list(range(len(questions))), range(1), range(1, len(donors))
        # With few pictures there are no others: then the same ones are asked again, with other donors.
        asked = others or some
        rest = len(others) + len(again) * len(asked)
        self.total = self.done + len(questions) * (len(some) + round(rest * _SUSPECTS))
        ask(some, everything, first, "Trying everything")
        effects = [effect(number, some, bool(others)) for number in everything]
        left = [number for number in everything if not _settled(effects[number])]
        looked_again = len(again) * len(some) if others else 0
        self.total = self.done + (rest + looked_again) * len(left)
        ask(others, left, first, "Confirming what is left")
        unsure = [number for number in left if not plain(effect(number, asked), len(questions))]
        self.total = self.done + (len(again) * len(asked) + looked_again) * len(unsure)
        ask(asked, unsure, again, "Confirming what is left")
        for number in left:
            effects[number] = effect(number, asked)
        effects = judged(effects)
        spared = [number for number in left if not effects[number].suspect]
        if others:
            self.total = self.done + looked_again * len(spared)
            ask(some, spared, again, "Looking again at what may be cleared")
        for number in spared:
            # What is not accused may be acquitted by all of its pictures: it came this far because the first of
            # them spoke against it, so that they make the acquittal harder, never easier.
            effects[number] = replace(effect(number, readable), p=effects[number].p, holm=effects[number].holm)
        return effects, len(asked)

    def _measured(
        self, engine: Engine, shards: Sequence[Shard], questions: Sequence[Question], message: str
    ) -> Iterator[tuple[Shard, Measured]]:
        """Yield every shard with what was measured of it, now or before."""
        self.report(self.done, self.total, message)
        asked, missing, keys = self._asked(), [], {}
        for shard in shards:
            keys[shard] = shard_key(shard, questions, self.digests, asked)
            if (measured := self.shelf.get(keys[shard])) is None:
                missing.append(shard)
                continue
            yield shard, measured
            self.advance(_work(shard), message)
        for shard, measured in engine.run(missing):
            if not measured.unreadable:  # that may be mended, and nothing of the file would say so
                self.shelf.put(keys[shard], measured)
            yield shard, measured
            self.advance(_work(shard), message)

    def _asked(self) -> str:
        """Return the digest of all that decides what is measured, beside pictures and questions."""
        choices = self.choices
        classes = [list(self.columns), list(self.selection.classes)]
        content = [self.model.digest, classes, choices.seed, self.selection.masks, self.objects, self.kinds]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _setup(self, questions: Sequence[Question], parts: Parts | None) -> Setup:
        return Setup(
            *self.source, self.columns, self.dataset, self.selection.examples,
            self.selection.labels, parts, self.selection.masks, tuple(questions), self.choices.seed,
        )  # fmt: skip


def _settled(effect: Effect) -> bool:
    """Say whether the screening suffices: less hangs on a property than would make it a reason."""
    if effect.role.accuses:
        # One class among many is no more than a picture or two here: what it loses the other pictures decide.
        lost = max((drop for drop in effect.by_class if drop is not None), default=0.0)
        return (cleared(effect) and lost <= DROP) or not effect.pictures
    return effect.role is Role.ERASURE


def _turns(pictures: int) -> int:
    """Return how often each picture is asked about what the screening leaves open."""
    return TURNS if pictures <= TURNS_MOST else 1


def _work(shard: Shard) -> int:
    return len(shard.pictures) * max(1, len(shard.questions))


def _screening(readable: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide the pictures into those on which everything is tried and those on which suspects are confirmed."""
    if len(readable) < SCREEN_FROM:
        return list(readable), []
    count = min(max(round(len(readable) * SCREEN), SCREEN_LEAST), SCREEN_MOST)
    return list(readable[:count]), list(readable[count:])
