"""The experiment: scores of shams and treatments, whichever way they are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from picasso import load_model
from picasso.auditing.donors import draw_donors
from picasso.auditing.engines import Here, Pool, Setup
from picasso.auditing.experiment import Experiment, Measured, Question, Shard, pixel_box, shard_key, shards_of
from picasso.auditing.eye import Eye
from picasso.auditing.shelf import Shelf
from picasso.core import registry
from picasso.core.dataset import read_dataset
from picasso.core.errors import NotSupportedError, WorkerDiedError
from picasso.plugin import Preprocessing
from tests.auditing import drawn

NAMES = ("corners", "grid", "bands", "luminance", "object-swap")


def setup(folder: Path, source: str = "", names: Sequence[str] = NAMES, size: tuple[int, int] = (48, 48)) -> Setup:
    dataset = read_dataset(folder)
    questions = []
    for name in names:
        intervention = registry.intervention(name).load()()
        questions += [Question(what, name, "", intervention.role) for what in intervention.properties(size, ())]
    labels = tuple(drawn.CLASSES.index(example.label) for example in dataset.examples)
    return Setup(source, {}, (0, 1), dataset, dataset.examples, labels, None, True, tuple(questions), 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.write(tmp_path_factory.mktemp("set"), 12, 1.0)


def all_shards(made: Setup) -> list[Shard]:
    numbers = range(len(made.examples))
    donors = draw_donors(dict(enumerate(made.labels)), 0)
    return shards_of(numbers, range(len(made.questions)), donors)


def test_margins_are_those_of_the_pictures_one_by_one(folder: Path) -> None:
    made = setup(folder)
    model = drawn.model(drawn.by_the_top)
    experiment = made.experiment(model)
    shard = all_shards(made)[0]
    found = experiment.measure(shard)
    for place, number in enumerate(shard.pictures):
        for row, question in enumerate(made.questions):
            pair = experiment.made(number, question, shard.donors[place])
            if pair is None:
                assert np.isnan(found.margin[row, place]).all()
                continue
            for column, view in enumerate(pair[1:]):
                score = model.predict(model.preprocess([view]))[0].astype(float)
                label = made.labels[number]
                assert found.margin[row, place, column] == pytest.approx(score[label] - score[1 - label], abs=1e-4)
                assert found.answer[row, place, column] == int(np.argmax(score))
            view = experiment.gallery.seen(number).view
            assert found.change[row, place] == pytest.approx(np.abs(pair[2].astype(int) - view).mean() / 255)


def test_boxes_that_the_engine_follows_give_the_scores_of_whole_pictures(folder: Path) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 24 * 24, 2),
    ).eval()  # fmt: skip
    model = load_model(network, preprocessing=Preprocessing(size=48), labels=drawn.CLASSES)
    made = setup(folder, names=("corners", "grid"))
    shard = all_shards(made)[0]
    fast = made.experiment(model).measure(shard)
    slow = Experiment.measure(_Whole.like(made.experiment(model)), shard)
    assert np.abs(fast.margin - slow.margin).max() <= 1e-4 * np.abs(slow.margin).max()
    assert (fast.answer == slow.answer).all()


class _Whole(Experiment):
    """Scores whole pictures only."""

    @classmethod
    def like(cls, other: Experiment) -> _Whole:
        return cls(other.model, other.columns, other.gallery, other.questions, other.interventions, other.seed)

    def _box(self, *_: object) -> None:
        return None


def test_margins_of_several_classes_are_to_the_best_of_the_others(folder: Path) -> None:
    experiment = setup(folder).experiment(drawn.model(drawn.by_the_top))
    experiment.columns = [4, 0, 2]
    margin, answer = experiment.read_scores(np.array([[1.0, 9.0, 3.0, 9.0, 2.5]], np.float32), 0)
    assert margin[0] == pytest.approx(-0.5)
    assert answer[0] == 2


def test_pixel_boxes_tile_the_picture() -> None:
    boxes = [pixel_box((row / 4, column / 4, 1 / 4, 1 / 4), (50, 31)) for row in range(4) for column in range(4)]
    covered = np.zeros((50, 31), int)
    for top, left, height, width in boxes:
        covered[top : top + height, left : left + width] += 1
    assert (covered == 1).all()


def test_processes_measure_as_this_one_does_and_one_that_dies_is_replaced_once(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "dying.py"
    source.write_text(
        f"""
import os
from pathlib import Path
from tests.auditing import drawn
from picasso.plugin import ModelFile, Preprocessing

class Dying(ModelFile):
    labels = {drawn.CLASSES}
    head = "none"
    preprocessing = Preprocessing(size=48)

    def load(self):
        return self.answer

    def answer(self, x):
        token = Path({str(tmp_path / "once")!r})
        if os.environ.get("PARENT") != str(os.getpid()) and token.exists():
            token.unlink()
            os._exit(9)
        return drawn.by_the_top(x)
""",
        "utf-8",
    )
    made = setup(folder, f"{source}:Dying", names=("bands",))
    shards = all_shards(made)
    os.environ["PARENT"] = str(os.getpid())
    try:
        here = dict(Here(made.experiment(load_model(made.source))).run(shards))
        (tmp_path / "once").touch()
        with closing(Pool(made, 2)) as pool:
            there = dict(pool.run(shards[:1])) | dict(pool.run(shards[1:]))
    finally:
        del os.environ["PARENT"]
    assert not (tmp_path / "once").exists()
    for shard in shards:
        assert np.array_equal(here[shard].margin, there[shard].margin, equal_nan=True)


def test_a_shard_that_kills_every_process_is_given_up(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "deadly.py"
    source.write_text(
        f"""
import multiprocessing, os
from picasso.plugin import ModelFile, Preprocessing
from tests.auditing import drawn

class Deadly(ModelFile):
    labels = {drawn.CLASSES}
    head = "none"
    preprocessing = Preprocessing(size=48)

    def load(self):
        if multiprocessing.parent_process() is not None:
            os._exit(9)
        return drawn.by_the_top
""",
        "utf-8",
    )
    made = setup(folder, f"{source}:Deadly", names=("bands",))
    with closing(Pool(made, 1)) as pool, pytest.raises(WorkerDiedError, match="exit code"):
        list(pool.run(all_shards(made)[:1]))


# --- what is kept -------------------------------------------------------------------------------------------------


def test_what_is_kept_comes_back_and_what_is_broken_does_not(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "kept")
    measured = Measured(np.array([[[1.0, np.nan]]]), np.array([[[1, -1]]]), np.array([[0.5]]), {3: "It is no picture."})
    assert shelf.get("a") is None
    shelf.put("a", measured)
    found = shelf.get("a")
    assert found is not None
    assert np.array_equal(found.margin, measured.margin, equal_nan=True)
    assert found.unreadable == {3: "It is no picture."}
    (tmp_path / "kept/a.npz").write_bytes(b"half of it")
    assert shelf.get("a") is None
    Shelf(None).put("a", measured)
    assert Shelf(None).get("a") is None


def test_a_shards_key_changes_with_everything_that_decides_its_numbers(folder: Path) -> None:
    made = setup(folder, names=("bands", "luminance"))
    first, *_ = all_shards(made)
    names = [example.name for example in made.examples]
    key = shard_key(first, made.questions, names, "asked")
    assert key == shard_key(first, made.questions, list(names), "asked")
    other_donors = Shard(first.pictures, first.questions, first.donors[::-1])
    changed = [Question(one.what, one.intervention, "newer", one.role) for one in made.questions]
    keys = {
        key,
        shard_key(other_donors, made.questions, names, "asked"),
        shard_key(Shard(first.pictures, first.questions[:2], first.donors), made.questions, names, "asked"),
        shard_key(first, changed, names, "asked"),
        shard_key(first, made.questions, [f"{name}!" for name in names], "asked"),
        shard_key(first, made.questions, names, "another model"),
    }
    assert len(keys) == 6


# --- the eye ------------------------------------------------------------------------------------------------------


def test_what_the_network_reads_of_an_unchanged_view_is_what_it_reads_of_the_picture(folder: Path) -> None:
    dataset = read_dataset(folder)
    picture = dataset.picture(dataset.examples[0])
    for preprocessing in (
        Preprocessing(size=32, mean=(0.4, 0.5, 0.6), std=(0.2,)),
        Preprocessing(size=(20, 30), resize="crop", short_side=40, color="bgr", scale=1.0),
        Preprocessing(size=24, resize="pad", color="grey"),
    ):
        channels = preprocessing.channels
        model = load_model(
            lambda x: x.mean(axis=(1, 2))[:, :1] * np.array([[1.0, -1.0]]), preprocessing=preprocessing, head="none"
        )
        assert model.input_shape[2] == channels
        eye = Eye(model)
        assert np.array_equal(eye.read([eye.see(picture)]), model.prepare(picture).x)


def test_a_mask_lies_where_its_object_is_seen(folder: Path) -> None:
    model = load_model(
        lambda x: x.mean(axis=(1, 2))[:, :2],
        preprocessing=Preprocessing(size=24, resize="crop", short_side=48),
        head="none",
    )
    mask = np.zeros((48, 48), bool)
    mask[12:24, 12:24] = True
    seen = Eye(model).see_mask(mask)
    assert seen.shape == (24, 24)
    assert seen[:12, :12].all()
    assert not seen[12:].any()


HALVED = """
import numpy as np
from picasso.plugin import ModelFile

class Halved(ModelFile):
    labels = ("dark", "bright")
    head = "none"

    def load(self):
        return lambda x: np.stack([-x.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3))], axis=1)

    def preprocess(self, images):
        large = [np.pad(image, ((0, 256), (0, 256), (0, 0))) for image in images]
        return np.stack([image[:448:2, :448:2] / np.float32(255) for image in large])
"""
"""A hook of a user's own: every second pixel of a picture, on a large black ground."""


def test_a_users_own_hook_reads_whole_pictures(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "halved.py").write_text(HALVED, "utf-8")
    eye = Eye(load_model(f"{tmp_path / 'halved.py'}:Halved"))
    dataset = read_dataset(folder)
    view = eye.see(dataset.picture(dataset.examples[0]))
    assert view.shape == (256, 256, 3)
    assert np.array_equal(eye.read([view])[0, :128, :128], view[::2, ::2] / np.float32(255))


def test_what_is_no_classifier_of_pictures_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="classifier"):
        Eye(load_model("demo:segmenter"))
    values = Preprocessing(size=8, color="values", bands=3)
    with pytest.raises(NotSupportedError, match="colors"):
        Eye(load_model(lambda x: x.mean(axis=(1, 2))[:, :2], preprocessing=values, head="none"))
