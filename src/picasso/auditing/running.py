"""Runs an audit from its first picture to its findings."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.auditing import statistics, thresholds
from picasso.auditing.donors import Donors, draw_donors
from picasso.auditing.effects import Table, cleared, effect_of, judged, tested
from picasso.auditing.engines import Engine, Here, Pool, Setup
from picasso.auditing.experiment import Experiment, Measured, Question, Shard, shard_key, shards_of
from picasso.auditing.eye import Eye
from picasso.auditing.files.clues import find_clues
from picasso.auditing.files.duplicates import find_duplicates
from picasso.auditing.files.facts import FileFacts, file_facts
from picasso.auditing.findings import Clue, Effect, Findings, Untested
from picasso.auditing.gallery import Gallery, Parts
from picasso.auditing.maps.illustrating import illustrate
from picasso.auditing.ray_connection import connection
from picasso.auditing.ray_engine import Cluster
from picasso.auditing.regions.confirming import Confirmed, read_confirmed, region_name
from picasso.auditing.regions.kinds import FITTED_ON, find_kinds
from picasso.auditing.selecting import Selection, require_pictures, select
from picasso.auditing.shelf import Shelf
from picasso.auditing.showing import pairs_of, pictures_of, write_counterfactuals
from picasso.auditing.thresholds import MOST_PICTURES, SCREEN, SCREEN_FROM, SCREEN_LEAST, SCREEN_MOST
from picasso.auditing.verdict import judge, named_of
from picasso.core import registry
from picasso.core.dataset import Dataset, Example, match_classes, read_dataset
from picasso.core.errors import ConfigurationError, PictureError
from picasso.core.intervention import Intervention, Need, Role
from picasso.core.model import Model
from picasso.core.opening import load_model

Report = Callable[[int, int, str], None]
_ABOUT = 45
"""Properties that are tried, about."""
MOST_NOTES = 10
"""Groups of duplicates that are named."""
_SUSPECTS = 0.4
"""Share of the properties that the screening leaves, about: for the estimate of the progress alone."""


def ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Choices:
    """How an audit is done.

    Args:
        match: Class of the data set -> the model's class, by label or index, where the names do not say it.
        limit: How many pictures are audited at most.
        seed: Of which pictures are drawn, and where properties are taken from.
        interventions: Names of the interventions; all where empty.
        confirmed: Where the object is not known: kind of region -> whether a person says that it is the object.
        processes: How many processes measure, each with a copy of the model; 0: this one.
        maps: Whether maps are made, to illustrate: where the evidence lies, and groups of alike maps.
        regions: Whether regions are looked for in the pictures even where the data set says where the objects are:
            slower, and the answer may name a region instead of a part of the frame.
        engine: What measures: processes of this computer, or workers of a Ray cluster; the numbers are the same.
        ray_address: Of the cluster; see `connection`. `processes` is how many workers at most; 0: one per processor.
    """

    match: Mapping[str, str | int] = field(default_factory=dict)
    limit: int = MOST_PICTURES
    seed: int = 0
    interventions: tuple[str, ...] = ()
    confirmed: Mapping[str, bool] = field(default_factory=dict)
    processes: int = 0
    maps: bool = True
    regions: bool = False
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""


def audit(
    model: Model | str,
    dataset: Dataset | str | Path,
    *,
    source: str = "",
    options: Mapping[str, Any] = MappingProxyType({}),
    kept: Path | None = None,
    counterfactuals: Path | None = None,
    report: Report = ignore,
    **choices: Any,
) -> Findings:
    """Ask of a whole data set whether a model is right for the right reason.

    Args:
        model: From `load_model`, or what that opens.
        dataset: A folder with a folder for each class, a CSV, a COCO file, a zip of one of them, or "demo:tanks".
        source, options: Of an open model what `load_model` was given, for the processes that open it again.
        kept: Folder for what was measured already, so that an audit that was stopped goes on; None keeps nothing.
        counterfactuals: Folder for every picture with what the model relies on taken from another class, in a folder
            for each class, to train on; nothing is written where nothing is named.
        report: Called with (done, total, message); it may raise to stop.
        choices: See `Choices`.

    Returns:
        The findings, the verdict first.

    Raises:
        PicassoError: The model is no classifier of pictures, the data set is too small, its classes are unknown.

    Example:
        >>> findings = audit("demo:tank-proxy", "demo:tanks", limit=64, interventions=("bands",), maps=False)
        >>> print(findings.verdict.headline)
        WRONG REASON: the top of the picture
    """
    source = model if isinstance(model, str) else source
    opened = load_model(source, **options) if isinstance(model, str) else model
    pictures = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    chosen = Choices(**choices)
    if chosen.engine == "ray" and not source:
        raise ConfigurationError(
            "The workers of a cluster open the model for themselves, and a live one is here alone.",
            "Give what load_model opens: a name or a file.",
        )
    if chosen.engine == "ray":
        report(0, 1, "Connecting with the cluster")
    with connection(chosen.ray_address) if chosen.engine == "ray" else nullcontext():
        run = _Run(opened, (source, dict(options)), pictures, chosen, Shelf(kept), report)
        return run.findings(counterfactuals)


class _Run:
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
        if len(set(self.columns)) < len(self.columns):
            raise ConfigurationError(
                "Two classes of the data set are matched with one class of the model.",
                "Match each with its own, or leave one out of the data set.",
            )
        self.labels = np.asarray(self.selection.labels, np.int64)
        self.digests = [_identity(example) for example in self.selection.examples]
        self.source = source
        self.untested: list[Untested] = []
        self.objects: tuple[int, ...] = ()
        self.notes = [*self.selection.notes]
        self.done, self.total = 0, 1

    # --- the steps --------------------------------------------------------------------------------------------

    def findings(self, counterfactuals: Path | None) -> Findings:
        count = len(self.selection.examples)
        screened, rest = _screening(range(count))
        self.total = 2 * count + _ABOUT * (len(screened) + round(len(rest) * _SUSPECTS))
        files = self._read_files()
        base, answers = self._look(files)
        readable = list(files)
        require_pictures(len(readable))
        parts, said = self._parts(readable)
        questions = self._questions(said.known, parts)
        setup = self._setup(questions, parts)
        experiment = setup.experiment(self.model)
        engine: Engine = Here(experiment)
        if self.choices.engine == "ray":
            engine = Cluster(setup, self.model, self.choices.processes)
        elif self.choices.processes > 1 and self.source[0]:
            engine = Pool(setup, self.choices.processes)
        labels = {number: self.selection.labels[number] for number in readable}
        donors = draw_donors(labels, {number: files[number].pixels for number in readable}, self.choices.seed)
        table = Table.empty(len(questions), count)
        scale = float(np.sqrt(np.square(base[readable]).mean())) or 1.0

        screened, rest = _screening(readable)
        everything = list(range(len(questions)))
        self.total = self.done + len(questions) * (len(screened) + round(len(rest) * _SUSPECTS))
        self._ask(engine, experiment, table, screened, everything, donors, "Trying everything")
        effects = [self._effect(questions[one], one, table, screened, scale, bool(rest)) for one in everything]
        left = [one for one in everything if rest and not self._settled(effects[one])]
        self.total = self.done + len(rest) * len(left)
        self._ask(engine, experiment, table, rest, left, donors, "Confirming what is left")
        for one in left:
            effects[one] = self._effect(questions[one], one, table, rest, scale, False)
        effects = judged(effects)
        for one in left:
            if not effects[one].suspect:
                # What is not accused may be acquitted by all of its pictures: it came this far because the first of
                # them spoke against it, so that they make the acquittal harder, never easier.
                whole = self._effect(questions[one], one, table, readable, scale, False)
                effects[one] = replace(whole, p=effects[one].p, holm=effects[one].holm)
        if counterfactuals is not None and (named := named_of(effects)) is not None:
            question = questions[effects.index(named)]
            write_counterfactuals(experiment, question, readable, donors, self.selection.classes, counterfactuals)
        return self._found(
            experiment, questions, effects, table, base, answers, readable, files, donors, said, scale,
            len(rest or screened),
        )  # fmt: skip

    def _read_files(self) -> dict[int, FileFacts]:
        """Return what the files of the pictures say, of those that can be read, by number."""
        found = {}
        for number, example in enumerate(self.selection.examples):
            try:
                found[number] = file_facts(self.dataset.read(example), example.name)
            except PictureError as error:
                self.notes.append(f"Left out: {error}")
            self._advance(1, "Reading the files")
        return found

    def _look(self, files: dict[int, FileFacts]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return margin and answer of every picture as it is; what cannot be read with its mask leaves the files."""
        count = len(self.selection.examples)
        base, answers = np.full(count, np.nan), np.full(count, -1)
        engine = Here(self._setup((), None).experiment(self.model))
        for shard, measured in self._measured(engine, shards_of(list(files)), (), "Looking at the pictures"):
            at = list(shard.pictures)
            base[at], answers[at] = measured.margin[0, :, 0], measured.answer[0, :, 0]
            for number, reason in measured.unreadable.items():
                self.notes.append(f"Left out: {reason}")
                del files[number]
        return base, answers

    def _parts(self, readable: Sequence[int]) -> tuple[Parts | None, Confirmed]:
        """Return the kinds of regions where the objects are not known, and what is known of the objects."""
        gallery = Gallery(self.dataset, self.selection.examples, self.selection.labels, self.eye)
        objects = [gallery.seen(number).object is not None for number in readable[:FITTED_ON]]
        masks = any(objects)
        if masks and not self.choices.regions:
            return None, Confirmed(masks=True)
        self.report(self.done, self.total, "Looking for regions")
        views = [gallery.seen(number).view for number in readable[:FITTED_ON]]
        kinds = find_kinds(views, self.labels[readable[:FITTED_ON]], self.choices.seed)
        said = replace(read_confirmed(self.choices.confirmed, kinds), masks=masks)
        self.objects = said.object
        listed = "; ".join(f"{region_name(number)} is {words}" for number, words in enumerate(kinds.names))
        self.notes.append(f"Regions found in the pictures alone, without the model: {listed}.")
        if not said.known and kinds.object.kind is not None:
            likely = region_name(kinds.object.kind)
            self.notes.append(f"The object is perhaps {likely}. If so, say it: --confirm {likely}=object.")
        return Parts(kinds, said.object), said

    def _questions(self, known: bool, parts: Parts | None) -> tuple[Question, ...]:
        """Return everything that can be asked, and note what cannot."""
        entries = registry.interventions()
        for name in self.choices.interventions:
            registry.intervention(name)
        given = {Need.OBJECT} if known else set()
        given |= {Need.REGIONS} if parts else set()
        questions: list[Question] = []
        for name, entry in entries.items():
            if self.choices.interventions and name not in self.choices.interventions:
                continue
            if entry.kind is None:
                self.untested.append(Untested(name, f"It is broken: {entry.error.strip().splitlines()[-1]}"))
                continue
            intervention: Intervention = entry.load()()
            if missing := intervention.needs - given:
                self.untested.append(Untested(intervention.title, _REASONS[min(missing)]))
                continue
            names = parts.kinds.names if parts else ()
            digest = f"{entry.digest}:{intervention.version}"
            asked = intervention.properties(self.eye.size, names)
            questions += [Question(what, name, digest, intervention.role) for what in asked]
        if not questions:
            raise ConfigurationError("There is nothing to test.", "Name an intervention that these pictures allow.")
        return tuple(questions)

    def _settled(self, effect: Effect) -> bool:
        """Say whether the screening suffices: less hangs on a property than would make it a reason."""
        if effect.role is Role.PROPERTY:
            return cleared(effect) or not effect.pictures
        return effect.role is Role.ERASURE

    def _effect(
        self, question: Question, number: int, table: Table, asked: Sequence[int], scale: float, screened: bool
    ) -> Effect:
        return effect_of(question, number, table, asked, self.labels, len(self.columns), scale, screened)

    # --- measuring --------------------------------------------------------------------------------------------

    def _ask(
        self,
        engine: Engine,
        experiment: Experiment,
        table: Table,
        pictures: Sequence[int],
        questions: Sequence[int],
        donors: Mapping[int, Donors],
        message: str,
    ) -> None:
        if pictures and questions:
            shards = shards_of(pictures, questions, donors)
            for shard, measured in self._measured(engine, shards, experiment.questions, message):
                table.enter(shard, measured)

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
            self._advance(_work(shard), message)
        for shard, measured in engine.run(missing):
            self.shelf.put(keys[shard], measured)
            yield shard, measured
            self._advance(_work(shard), message)

    def _advance(self, work: int, message: str) -> None:
        self.done += work
        self.report(min(self.done, self.total), self.total, message)

    def _report_maps(self, done: int, total: int, message: str) -> None:
        self.report(min(self.done, self.total), self.total, message)

    def _asked(self) -> str:
        """Return the digest of all that decides what is measured, beside pictures and questions."""
        choices = self.choices
        classes = [list(self.columns), list(self.selection.classes)]
        content = [self.model.digest, classes, choices.seed, choices.regions, self.objects]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _setup(self, questions: Sequence[Question], parts: Parts | None) -> Setup:
        return Setup(
            *self.source, self.columns, self.dataset, self.selection.examples,
            self.selection.labels, parts, tuple(questions), self.choices.seed,
        )  # fmt: skip

    # --- the findings -----------------------------------------------------------------------------------------

    def _found(
        self,
        experiment: Experiment,
        questions: Sequence[Question],
        effects: Sequence[Effect],
        table: Table,
        base: NDArray[np.float64],
        answers: NDArray[np.int64],
        readable: list[int],
        files: Mapping[int, FileFacts],
        donors: Mapping[int, Donors],
        said: Confirmed,
        scale: float,
        confirming: int,
    ) -> Findings:
        labels, classes = self.labels[readable], len(self.columns)
        counts = np.bincount(labels, minlength=classes)
        right = int((base[readable] > 0).sum())
        accuracy, chance = statistics.share(right, len(readable)), float(counts.max() / counts.sum())
        smallest = statistics.smallest_drop(confirming)
        verdict = judge(accuracy, chance, effects, said, smallest)
        named = named_of(effects)
        order = sorted(
            enumerate(effects),
            key=lambda item: (
                item[1] is not named,
                not item[1].suspect,
                item[1].role is not Role.PROPERTY,
                -item[1].drop.value,
            ),
        )
        show = [(number, effect) for number, effect in order if effect.suspect or effect.role is not Role.PROPERTY]
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (labels, answers[readable]), 1)
        clues = self._clues(files)
        extras = {}
        if self.choices.maps:
            extras = illustrate(experiment, readable, donors, verdict, self.selection.classes, scale, self._report_maps)
        return Findings(
            verdict=verdict,
            classes=self.selection.classes,
            accuracy=accuracy,
            chance=chance,
            counts=tuple(int(one) for one in counts),
            confusion=tuple(tuple(int(one) for one in row) for row in confusion),
            effects=tuple(sorted(filter(tested, effects), key=lambda one: -one.drop.value)),
            clues=clues,
            pairs=tuple(pairs_of(experiment, show, table, base, donors)),
            by_picture=()
            if named is None
            else pictures_of(effects.index(named), table, readable, experiment, answers, scale),
            untested=tuple(self.untested + self._never_made(effects)),
            notes=(*self.dataset.notes, *self.notes),
            extras=extras,
            record=self._record(questions, readable),
        )

    def _clues(self, files: Mapping[int, FileFacts]) -> tuple[Clue, ...]:
        """Return what the files give away, and note which pictures are there twice."""
        facts, labels = list(files.values()), [self.selection.labels[number] for number in files]
        examples = [self.selection.examples[number] for number in files]
        columns = [example.columns for example in examples]
        same = find_duplicates(facts, labels, columns)
        names = [example.name for example in examples]
        self.notes += [one.sentence(names, self.selection.classes) for one in same[:MOST_NOTES]]
        if len(same) > MOST_NOTES:
            self.notes.append(f"{len(same) - MOST_NOTES} more groups of pictures are there more than once.")
        return find_clues(facts, labels, self.selection.classes, columns, self.choices.seed)

    def _never_made(self, effects: Sequence[Effect]) -> list[Untested]:
        reason = "Pictures that allow it: {}, too few. The others have no object, or not that region, or one too large."
        return [Untested(one.what.title, reason.format(one.pictures)) for one in effects if not tested(one)]

    def _record(self, questions: Sequence[Question], readable: Sequence[int]) -> dict[str, Any]:
        model, choices = self.model, self.choices
        return {
            "model": {
                "name": model.name,
                "framework": model.framework,
                "digest": model.digest,
                "labels": [model.labels[column] for column in self.columns],
                "score_units": model.facts.units,
            },
            "dataset": {
                "name": self.dataset.name,
                "digest": self.dataset.digest,
                "pictures": len(self.dataset.examples),
                "audited": len(readable),
                "classes": list(self.selection.classes),
            },
            "size": list(self.eye.size),
            "choices": {
                "match": dict(choices.match),
                "limit": choices.limit,
                "seed": choices.seed,
                "confirmed": dict(choices.confirmed),
                "regions": choices.regions,
                "questions": len(questions),
            },
            "thresholds": {name: getattr(thresholds, name) for name in sorted(vars(thresholds)) if name.isupper()},
            "versions": {
                "picasso": metadata.version("picasso"),
                "python": platform.python_version(),
                **{name: metadata.version(name) for name in ("numpy", *model.packages)},
            },
        }


_REASONS = {
    Need.OBJECT: "It is not known where the object is. Give masks or boxes, or say which region is the object.",
    Need.REGIONS: "The data set says where the objects are, so no regions were looked for; --regions does.",
}


def _work(shard: Shard) -> int:
    return len(shard.pictures) * max(1, len(shard.questions))


def _identity(example: Example) -> str:
    """Return what changes whenever an example's picture or object does."""
    mask = None if example.mask is None else example.mask.stamp
    return json.dumps([example.name, example.source.stamp, mask, example.boxes])


def _screening(readable: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide the pictures into those on which everything is tried and those on which suspects are confirmed."""
    if len(readable) < SCREEN_FROM:
        return list(readable), []
    count = min(max(round(len(readable) * SCREEN), SCREEN_LEAST), SCREEN_MOST)
    return list(readable[:count]), list(readable[count:])
