"""The engine on probation: it is used where it is right and faster, and nowhere else; and it says why."""

from __future__ import annotations

import dataclasses
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core import graph as g
from picasso.core.asking import focused, read_place
from picasso.core.errors import CanceledError
from picasso.core.facts import Patching, Quality
from picasso.core.model import Model, ignore
from picasso.core.pictures.images import read_picture
from picasso.engine import checking, occlusion
from picasso.engine.occlusion import Base
from picasso.engine.regions import Interval, Sliding

SIDE = 48
BOXES = np.array([(top, left, 9, 8) for top in range(0, 40, 7) for left in range(0, 41, 5)], np.int64)
RNG = np.random.default_rng(11)
X = RNG.normal(size=(1, SIDE, SIDE, 3)).astype(np.float32)
CONTENTS = RNG.normal(size=(SIDE, SIDE, 3)).astype(np.float32) * 2


class Small(nn.Module):
    """Large enough for the engine, with maps of which windows reach a part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 32, 3, padding=1), nn.ReLU()
        )
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.second = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.pool(self.first(x))).mean((2, 3)))


class Odd(Small):
    """Does what the op graph has no word for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.cumsum(3))


class Masks(nn.Module):
    """A segmenter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        self.out = nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.body(x))


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network.eval(), preprocessing=picasso.Preprocessing(size=SIDE), **choices)


def by_loop(model: Model, boxes: np.ndarray = BOXES, contents: np.ndarray = CONTENTS) -> np.ndarray:
    """Return what the network itself says to every window, run in a loop."""
    patching = model.patching
    scores = Model.predict_patched(model, X, boxes, contents)
    model.patching = patching
    return scores


def assert_right(model: Model, boxes: np.ndarray = BOXES, contents: np.ndarray = CONTENTS, **asked: Any) -> None:
    scores = model.predict_patched(X, boxes, contents, **asked)
    own = by_loop(model, boxes, contents)
    np.testing.assert_allclose(scores, own, rtol=0, atol=1e-4 * np.abs(own).max())


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine may be slower than the network: on a busy machine nothing can be said about that."""
    monkeypatch.setattr(checking, "_NOISE", np.inf)


@pytest.fixture
def model() -> Model:
    return opened(Small())


# --- used ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", [False, True])
def test_the_engine_answers_as_the_network(model: Model, each: bool) -> None:
    contents = RNG.normal(size=(len(BOXES), *CONTENTS.shape)).astype(np.float32) if each else CONTENTS
    assert_right(model, contents=contents)
    assert model.patching.fast
    assert model.patching.gain > 3
    assert model.patching.windows == len(BOXES)
    assert model.patching.checked == 2
    assert model.patching.error < 1e-5


def test_progress_only_grows_and_ends_with_all(model: Model) -> None:
    seen: list[tuple[int, int]] = []
    model.predict_patched(X, BOXES, CONTENTS, lambda done, total: seen.append((done, total)))
    assert model.patching.fast
    assert seen == sorted(seen)
    assert seen[0] == (0, len(BOXES))
    assert seen[-1] == (len(BOXES), len(BOXES))
    assert len(seen) > 3


def test_other_windows_are_planned_anew(model: Model) -> None:
    for step in (5, 6, 7, 8, 9, 5):
        boxes = np.array([(top, left, 6, 6) for top in range(0, 42, step) for left in range(0, 42, step)], np.int64)
        assert_right(model, boxes)
        assert model.patching.fast


def test_a_live_network_that_changes_is_read_again() -> None:
    network = Small()
    model = opened(network)
    assert_right(model)
    before = model.predict_patched(X, BOXES, CONTENTS)
    graph = model.graph()
    assert model.graph() is graph
    with torch.no_grad():
        network.second[0].weight.mul_(1.5)
    assert model.graph() is not graph
    assert_right(model)
    assert model.patching.fast
    assert np.abs(model.predict_patched(X, BOXES, CONTENTS) - before).max() > 0.01


def test_a_run_may_be_canceled(model: Model) -> None:
    def cancel(done: int, total: int) -> None:
        if done:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        model.predict_patched(X, BOXES, CONTENTS, cancel)
    assert_right(model)
    assert model.patching.fast


def test_several_threads_may_ask_at_once(model: Model) -> None:
    own = [by_loop(model, BOXES[start:]) for start in range(3)]
    found: dict[int, np.ndarray] = {}

    def ask(start: int) -> None:
        found[start] = model.predict_patched(X, BOXES[start:], CONTENTS)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start, scores in enumerate(own):
        np.testing.assert_allclose(found[start], scores, rtol=0, atol=1e-4 * np.abs(scores).max())


@pytest.mark.parametrize("at_most", [0, 2**25])
@pytest.mark.parametrize("at", [None, (10, 12), (4, 30, 20, 10)])
def test_a_segmenter_is_asked_about_a_part(
    at: tuple[int, ...] | None, at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occlusion, "_HANDED_AT_MOST", at_most)
    whole = opened(Masks())
    picture = np.random.default_rng(2).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    model = focused(whole, whole.prepare(read_picture(picture)), read_place(at))
    assert_right(model)
    assert model.patching.fast
    # Another view of the same network has the same engine.
    other = focused(whole, whole.prepare(read_picture(picture)), read_place((3, 3)))
    assert other._accelerator() is model._accelerator()  # type: ignore[attr-defined]
    assert_right(other)


# --- caught ------------------------------------------------------------------------------------------------------


def spoil(model: Model, change: Callable[[g.Op], dict[str, Any] | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the graph of a model differ from it in the first operation for which `change` gives other fields."""
    true = model.graph()
    ops = list(true.ops)
    place = next(place for place, op in enumerate(ops) if change(op) is not None)
    ops[place] = dataclasses.replace(ops[place], **(change(ops[place]) or {}))
    wrong = dataclasses.replace(true, ops=tuple(ops))
    monkeypatch.setattr(model, "_read_graph", lambda: wrong)
    model._engines.clear()  # type: ignore[attr-defined]


def one_number_off(op: g.Op) -> dict[str, Any] | None:
    if not isinstance(op, g.Conv):
        return None
    weight = op.weight.copy()
    weight[0, 0, 0, 0] += 1
    return {"weight": weight}


def padded_before(op: g.Op) -> dict[str, Any] | None:
    return {"padding": (1, 1, 0, 0)} if isinstance(op, g.Pool) else None


def another_function(op: g.Op) -> dict[str, Any] | None:
    return {"function": "gelu"} if isinstance(op, g.Activation) else None


@pytest.mark.parametrize("change", [one_number_off, padded_before, another_function])
def test_a_graph_that_is_wrong_is_not_used(
    change: Callable[[g.Op], dict[str, Any] | None], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(model, change, monkeypatch)
    assert_right(model)
    assert not model.patching.fast
    assert "The engine's scores of the picture differ from the network's own by" in model.patching.reason
    assert_right(model)  # and is not tried again
    assert not model.patching.fast


@pytest.mark.parametrize("short", [(0, -1), (1, 0)])
def test_a_reach_that_is_too_short_is_noticed(
    short: tuple[int, int], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Sliding.outputs

    def outputs(self: Sliding, lo: int, hi: int, side: int) -> Interval:
        first, last = true(self, lo, hi, side)
        return (first, last) if last - first < 3 else (first + short[0], last + short[1])

    monkeypatch.setattr(Sliding, "outputs", outputs)
    assert_right(model)
    assert not model.patching.fast
    assert "The engine's scores of a window differ from the network's own by" in model.patching.reason


def test_an_engine_that_fails_is_given_up(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("could not create a primitive\nand more")

    monkeypatch.setattr(occlusion.Engine, "_patch", fail)
    assert_right(model)
    assert model.patching.reason == "The engine failed: RuntimeError: could not create a primitive"


def test_whole_pictures_do_without_an_engine_that_fails(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(occlusion.Engine, "run", fail)
    pictures = RNG.normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict_whole(pictures), model.predict(pictures), atol=1e-5)


def test_whole_pictures_are_as_the_network_says(model: Model) -> None:
    pictures = RNG.normal(size=(20, SIDE, SIDE, 3)).astype(np.float32)
    own = model.predict(pictures)
    for _ in range(2):
        found = model.predict_whole(pictures)
        np.testing.assert_allclose(found, own, rtol=0, atol=1e-4 * np.abs(own).max())


def test_half_precision_that_fails_leaves_the_exact_engine_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    true = occlusion.Engine.base

    def base(self: occlusion.Engine, x: np.ndarray) -> occlusion.Base:
        if self._dtype != torch.float32:
            raise NotImplementedError("not for BFloat16")
        return true(self, x)

    monkeypatch.setattr(occlusion.Engine, "base", base)
    assert_right(model, quality=Quality.PREVIEW)
    assert "not for BFloat16" in model.patching.reason
    assert_right(model)
    assert model.patching.fast


@pytest.mark.parametrize("quality", [Quality.APPROXIMATE, Quality.PREVIEW])
def test_what_is_less_exact_tells_its_error(model: Model, quality: Quality) -> None:
    scores = model.predict_patched(X, BOXES, CONTENTS, quality=quality)
    own = by_loop(model)
    assert model.patching.fast
    assert model.patching.quality is quality
    assert model.patching.checked == 4
    assert 0 < model.patching.error <= np.abs(scores - own).max() + 1e-7
    assert np.abs(scores - own).max() < 0.1 * np.abs(own).max()


def test_scores_of_zero_may_be_compared_without_a_limit() -> None:
    zeros = np.zeros((1, 3), np.float32)
    assert checking.compare(zeros, zeros, "a window", (), np.inf) == 0
    with pytest.raises(Exception, match="differ from the network's own by nan"):
        checking.compare(zeros * np.nan, zeros, "a window", (), np.inf)


# --- not tried ---------------------------------------------------------------------------------------------------


def test_what_has_no_word_in_the_graph_is_named() -> None:
    model = opened(Odd())
    assert_right(model)
    assert not model.patching.fast
    assert "cumsum" in model.patching.reason


def test_few_windows_are_run_in_a_loop(model: Model) -> None:
    assert_right(model, BOXES[:9])
    assert (model.patching.fast, model.patching.reason, model.patching.windows) == (False, "", 9)
    assert model.predict_patched(X, BOXES[:0], CONTENTS).shape == (0, 3)


def test_a_small_network_is_run_in_a_loop() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    model = opened(network)
    assert_right(model)
    assert model.patching.reason == "The network is so small that this is as fast."


def test_windows_that_reach_everything_are_run_as_whole_maps(model: Model) -> None:
    large = np.array([(top, left, 46, 46) for top in range(3) for left in range(3)] * 2, np.int64)
    assert_right(model, large)
    assert model.patching.fast
    assert 1 <= model.patching.gain < 1.1
    assert str(model.patching).startswith("The windows reach nearly all of it, so that little was left out: 1.0")


def test_whole_maps_that_are_slower_than_the_network_are_stopped_at_the_first_map(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = np.array([(top, left, 46, 46) for top in range(3) for left in range(3)] * 4, np.int64)
    with monkeypatch.context() as patch:
        patch.setattr(checking, "_NOISE", 0.0)
        assert_right(model, large)
    assert model.patching.reason == "The network itself is faster here than following its windows."
    assert_right(model)  # which says nothing about other windows
    assert model.patching.fast


def test_an_engine_that_is_slower_is_stopped_for_those_windows(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    few = BOXES[:30]
    assert_right(model)
    assert model.patching.fast  # the first time the weights are packed, too
    with monkeypatch.context() as patch:
        patch.setattr(checking, "_NOISE", 0.0)
        assert_right(model)
        assert model.patching.reason == "The network itself is faster here than following its windows."
    assert_right(model)
    assert model.patching.reason == "The network itself is faster here than following its windows."
    assert_right(model, few)
    assert model.patching.fast


def test_an_engine_that_waits_for_other_programs_is_not_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_NOISE", 2)

    def chunks(wait: Callable[[float], None]) -> None:
        watch = checking.Watch(0.005, ignore)
        for done in range(5):
            watch(done, 5)
            wait(0.02)

    def work(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    chunks(time.sleep)
    with pytest.raises(checking.SlowerError):
        chunks(work)


def test_a_network_of_clips_is_run_in_a_loop() -> None:
    class Clips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Small()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x.mean(2))

    model = opened(Clips(), frames=4)
    clip = RNG.normal(size=(1, *model.x_shape)).astype(np.float32)
    model.predict_patched(clip, BOXES, np.zeros_like(clip[0]), ignore)
    assert not model.patching.fast
    assert model.patching.reason == "The engine does not follow windows through clips."


def test_what_a_callback_raises_passes_through() -> None:
    model = opened(Small())
    calls = list[int]()

    def fail(done: int, total: int) -> None:
        calls.append(done)
        if done:
            raise ValueError("the caller's own")

    with pytest.raises(ValueError, match="the caller's own"):
        model.predict_patched(X, BOXES, CONTENTS, fail)
    assert len(calls) == 2
    model.predict_patched(X, BOXES, CONTENTS)
    assert model.patching.fast


def test_too_little_memory_is_the_loop_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(Small())

    def full(*given: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Base, "around", full)
        scores = model.predict_patched(X, BOXES, CONTENTS)
    assert model.patching == Patching(windows=len(BOXES), reason="The engine's memory did not suffice.")
    assert np.abs(model.predict_patched(X, BOXES, CONTENTS) - scores).max() < 1e-4 * np.abs(scores).max()
    assert model.patching.fast


def test_a_fault_at_one_edge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model, replaced = opened(Small()), occlusion._replaced

    def wrong(picture: Any, chunk: Any, boxes: Any, contents: Any, there: Any) -> Any:
        made = replaced(picture, chunk, boxes, contents, there)
        made[torch.from_numpy(boxes[chunk.windows, 0] == 0)] += 1
        return made

    monkeypatch.setattr(occlusion, "_replaced", wrong)
    model.predict_patched(X, BOXES, CONTENTS)
    assert not model.patching.fast
    assert "of a window differ from the network's own" in model.patching.reason


def test_a_network_that_nobody_watches_is_read_again_when_it_has_changed() -> None:
    model = opened(Small())
    model.predict_patched(X, BOXES, CONTENTS)
    assert model.patching.fast
    # Through .data no version counts up.
    with torch.no_grad():
        next(iter(model.module.parameters())).data.mul_(1.5)
    scores = model.predict_patched(X, BOXES, CONTENTS)
    assert model.patching.fast
    own = Model.predict_patched(model, X, BOXES, CONTENTS)
    assert np.abs(scores - own).max() < 1e-4 * np.abs(own).max()


def test_whole_pictures_are_compared_at_every_call() -> None:
    model = opened(Small())
    many = np.repeat(X, 12, axis=0) * np.linspace(0.5, 1.5, 12, dtype=np.float32)[:, None, None, None]
    model.predict_whole(many)
    model._accelerator()._known.whole_slower = False
    with torch.no_grad():
        next(iter(model.module.parameters())).data.mul_(1.5)
    own = model.predict(many)
    assert np.abs(model.predict_whole(many) - own).max() < 1e-4 * np.abs(own).max()
    assert model.predict_whole(many[:0]).shape == (0, len(model.labels))


def test_threads_that_begin_during_a_map_keep_the_usual_number() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    numbers = list[int]()

    def look(done: int, total: int) -> None:
        thread = threading.Thread(target=lambda: numbers.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert not torch.is_inference_mode_enabled()

    try:
        model = opened(Small())
        model.predict_patched(X, BOXES, CONTENTS, look)
        assert model.patching.fast
        assert torch.get_num_threads() == 2
        assert set(numbers) == {2}
    finally:
        torch.set_num_threads(before)


def test_what_two_calls_found_adds_up() -> None:
    loop = Patching(windows=9, reason="Too few.")
    rough = Patching(72, 72, "", 3.0, 0.5, 4, Quality.APPROXIMATE)
    both = loop + rough
    assert (both.windows, both.followed, both.gain, both.checked) == (81, 72, 3.0, 4)
    assert both.quality is Quality.APPROXIMATE
    assert str(both).startswith("Approximate, without the margins.")
    assert Patching() + loop == loop


def test_scores_of_another_scale_are_compared_for_themselves() -> None:
    own = np.array([[0.9, 0.1, 600, 400]], np.float32)
    wrong = own + np.array([[0.05, 0, 0, 0]], np.float32)
    assert checking.compare(wrong, own, "a window", ()) == pytest.approx(0.05)
    with pytest.raises(checking.MismatchError, match=r"differ from the network's own by 5.0e-02"):
        checking.compare(wrong, own, "a window", (2,))


def test_closing_lets_the_engine_go() -> None:
    model = opened(Small())
    model.predict_patched(X, BOXES, CONTENTS)
    engine = weakref.ref(model._accelerator())
    model.close()
    gc.collect()
    assert engine() is None


def test_many_kinds_of_windows_are_planned_quickly() -> None:
    rng = np.random.default_rng(0)
    corners, sides = rng.integers(0, 40, (400, 2)), rng.integers(1, 24, (400, 2))
    boxes = np.concatenate([corners, sides], axis=1).astype(np.int64)
    model = opened(Small())
    engine = model._accelerator()._engine(Quality.EXACT)
    plan = engine.plan(boxes)
    assert sorted(np.concatenate([chunk.windows for chunk in plan.chunks]).tolist()) == list(range(400))
    assert len(plan.chunks) < 60
