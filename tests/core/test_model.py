"""The Model contract's shared half: batches, patches, memory, hooks, and errors that say whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picasso
from picasso.core.errors import (
    CanceledError,
    ModelFailedError,
    ModelOutputError,
    NotSupportedError,
    OutOfMemoryError,
    PicassoError,
    TargetError,
)
from picasso.core.facts import INPUT, Facts, Layer, Pullback, Rules
from picasso.core.hooks import Head, ModelFile, Prediction
from picasso.core.model import SCORES, Model
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Array, Frame
from picasso.core.targets import Target

RNG = np.random.default_rng(17)
WEIGHTS = RNG.normal(size=(6, 7, 3, 4)).astype(np.float32)
PLAIN = picasso.Preprocessing(size=(6, 7))
PICTURE = read_picture(RNG.integers(0, 256, (6, 7, 3)).astype(np.uint8))
X = PLAIN.apply(PICTURE.pixels)[None]


def linear(x: Array) -> Array:
    return np.tensordot(x, WEIGHTS, 3)


def opened(function: Callable[[Array], Any] = linear, **choices: Any) -> Model:
    return picasso.load_model(function, **({"preprocessing": PLAIN} | choices))


class Network(Model):
    """A model whose one method is given, and which remembers the batches that it saw."""

    framework: ClassVar[str] = "test"

    def __init__(self, run: Callable[[Array], Any] = linear, columns: int = 4, **choices: Any) -> None:
        fixed = choices.pop("fixed_batch", None)
        head = choices.pop("head", Head.SOFTMAX)
        hooks = choices.pop("hooks", ModelFile())
        super().__init__(Facts((6, 7, 3), columns, head, "logit", "origin", 0, (), fixed), hooks, "name", **choices)
        self.run = run
        self.batches: list[int] = []

    def _outputs(self, x: Array) -> dict[str, Array]:
        self.batches.append(len(x))
        return {SCORES: self.run(x), "sizes": np.full(len(x), len(x), np.float32)}

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        return {name: x * (i + 1) for i, name in enumerate(layers)}

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        self.batches.append(len(x))
        gradients = np.stack([np.broadcast_to(WEIGHTS[..., t.index], x.shape) for t in targets])
        return Pullback({SCORES: self.run(x)}, dict.fromkeys(wrt, x), dict.fromkeys(wrt, gradients))


# --- batches ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 23))
@settings(max_examples=40, deadline=None)
def test_any_number_of_pictures_is_cut_into_batches(batch_size: int, count: int) -> None:
    x = RNG.normal(size=(count, 6, 7, 3)).astype(np.float32)
    model = Network(batch_size=batch_size)
    outputs = model.outputs(x)
    np.testing.assert_allclose(outputs[SCORES], linear(x), rtol=1e-4, atol=1e-4)
    assert outputs["sizes"].shape == (count,)
    assert model.batches == [batch_size] * (count // batch_size) + [count % batch_size] * bool(count % batch_size)


@pytest.mark.parametrize("count", [1, 4, 5, 11])
def test_a_fixed_batch_is_padded_and_the_padding_cut_off(count: int) -> None:
    def exactly_four(x: Array) -> Array:
        assert len(x) == 4
        return linear(x)

    x = RNG.normal(size=(count, 6, 7, 3)).astype(np.float32)
    model = Network(exactly_four, fixed_batch=4, batch_size=32)
    np.testing.assert_allclose(model.predict(x), linear(x), rtol=1e-4, atol=1e-4)
    assert model.batches == [4] * -(-count // 4)
    pulled = model.pullback(x, [model.target(2), model.target(0)])
    assert pulled.values[INPUT].shape == x.shape
    assert pulled.gradients[INPUT].shape == (2, *x.shape)
    np.testing.assert_array_equal(pulled.gradients[INPUT][0, -1], WEIGHTS[..., 2])
    assert model.activations(x, ["a"])["a"].shape == x.shape


def test_batches_of_gradients_and_activations_are_joined_in_order() -> None:
    x = RNG.normal(size=(5, 6, 7, 3)).astype(np.float32)
    model = Network(batch_size=2)
    pulled = model.pullback(x, [model.target(1)])
    np.testing.assert_array_equal(pulled.values[INPUT], x)
    np.testing.assert_allclose(pulled.outputs[SCORES], linear(x), rtol=1e-4, atol=1e-4)
    found = model.activations(x, ["a", "b"])
    np.testing.assert_array_equal(found["a"], x)
    np.testing.assert_array_equal(found["b"], 2 * x)


def test_no_pictures_have_no_scores() -> None:
    assert opened().predict(X[:0]).shape == (0, 4)
    assert Network(columns=1, head=Head.SIGMOID).predict(X[:0]).shape == (0, 2)


# --- memory -------------------------------------------------------------------------------------------------------


def limited(most: int, error: Exception) -> Callable[[Array], Array]:
    def run(x: Array) -> Array:
        if len(x) > most:
            raise error
        return linear(x)

    return run


def test_a_batch_is_halved_until_it_fits_and_stays_so() -> None:
    x = RNG.normal(size=(20, 6, 7, 3)).astype(np.float32)
    model = Network(limited(3, MemoryError()), batch_size=16)
    np.testing.assert_allclose(model.predict(x), linear(x), rtol=1e-4, atol=1e-4)
    assert model.batches == [16, 8, 4, *[2] * 10]
    assert model.batch_size == 2
    model.batches.clear()
    model.predict(x[:5])
    assert model.batches == [2, 2, 1]


def test_a_function_model_is_halved_too() -> None:
    model = opened(limited(6, MemoryError()))
    x = RNG.normal(size=(20, 6, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(x), linear(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("choices", [{}, {"fixed_batch": 4}])
def test_memory_that_does_not_suffice_for_one_is_an_error(choices: dict[str, Any]) -> None:
    model = Network(limited(0, MemoryError()), batch_size=8, **choices)
    with pytest.raises(OutOfMemoryError, match=r"^The device's memory does not suffice\. Use a smaller batch or"):
        model.predict(np.repeat(X, 8, axis=0))
    assert model.batches[-1] == choices.get("fixed_batch", 1)


def test_what_counts_as_out_of_memory_is_the_adapters_word() -> None:
    class Device(Network):
        @classmethod
        def is_out_of_memory(cls, error: Exception) -> bool:
            return "device" in str(error) or super().is_out_of_memory(error)

    model = Device(limited(2, RuntimeError("device full")), batch_size=8)
    assert len(model.predict(np.repeat(X, 8, axis=0))) == 8
    with pytest.raises(ModelFailedError, match="The model raised RuntimeError: device full"):
        Network(limited(2, RuntimeError("device full")), batch_size=8).predict(np.repeat(X, 8, axis=0))


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("boom"), "The model raised ValueError: boom."),
        (ValueError("first line\nsecond line"), "The model raised ValueError: first line."),
        (KeyError(), "The model raised KeyError: no message."),
        (RecursionError("deep"), "The model raised RecursionError: deep."),
        (SystemExit(3), "The model raised SystemExit: 3."),
    ],
)
def test_a_model_that_raises_is_named(error: BaseException, said: str) -> None:
    def run(x: Array) -> Array:
        raise error

    with pytest.raises(ModelFailedError) as caught:
        Network(run).predict(X)
    assert caught.value.message == said
    assert caught.value.code == "model-failed"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [CanceledError("stop"), TargetError("no class")])
def test_picassos_own_errors_pass_through(error: PicassoError) -> None:
    def run(x: Array) -> Array:
        raise error

    with pytest.raises(PicassoError) as caught:
        Network(run).predict(X)
    assert caught.value is error


def test_control_c_passes_through() -> None:
    def run(x: Array) -> Array:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Network(run).predict(X)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_scores_that_are_not_finite_are_refused(value: float, said: str) -> None:
    def run(x: Array) -> Array:
        scores = linear(x)
        scores[-1, 1] = value
        return scores

    with pytest.raises(ModelOutputError, match=rf"^The model returned {said} scores\. Check the weights") as error:
        Network(run).predict(np.repeat(X, 3, axis=0))
    assert error.value.code == "bad-output"
    with pytest.raises(ModelOutputError, match=said):
        Network(run).pullback(X, [Network().target(0)])


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda x: linear(x)[0], r"scores of shape \(4,\); a classifier returns \(2, classes\)"),
        (lambda x: linear(x)[:1], r"scores of shape \(1, 4\); a classifier returns \(2, classes\)"),
        (lambda x: np.repeat(linear(x), 2, axis=0), r"scores of shape \(4, 4\); a classifier returns \(2, classes\)"),
        (lambda x: x, r"scores of shape \(2, 6, 7, 3\)"),
    ],
)
def test_scores_of_another_shape_are_refused(run: Callable[[Array], Array], said: str) -> None:
    with pytest.raises(ModelOutputError, match=said):
        Network(run).predict(np.repeat(X, 2, axis=0))


def test_a_function_that_changes_its_mind_is_refused() -> None:
    answers = iter([4, 5])

    def run(x: Array) -> Array:
        return np.zeros((len(x), next(answers)), np.float32)

    model = opened(run)
    with pytest.raises(ModelOutputError, match=r"The function returned shape \(1, 5\); it must be \(1, 4\)"):
        model.predict(X)


def test_what_a_model_lacks_is_said() -> None:
    model = opened()
    with pytest.raises(NotSupportedError, match="function models give no gradients"):
        model.pullback(X, [model.target(0)])
    with pytest.raises(NotSupportedError, match="function models do not show their layers"):
        model.activations(X, ["a"])
    assert model.layers() == ()
    assert model.default_layer() is None


def test_the_default_layer_is_the_last_with_space() -> None:
    class Layered(Network):
        def layers(self) -> tuple[Layer, ...]:
            shapes = ((6, 7, 3), (3, 1, 8), (1, 1, 8), (8,), (4,))
            return tuple(Layer(f"layer {i}", "Layer", shape) for i, shape in enumerate(shapes))

    found = Layered().default_layer()
    assert found is not None
    assert found.name == "layer 1"


# --- patches ------------------------------------------------------------------------------------------------------


def slow_patched(model: Model, boxes: np.ndarray, contents: np.ndarray) -> np.ndarray:
    rows = []
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        changed = X.copy()
        for y in range(height):
            for x in range(width):
                source = contents[top + y, left + x] if contents.ndim == 3 else contents[i, top + y, left + x]
                changed[0, top + y, left + x] = source
        rows.append(model.predict(changed)[0])
    return np.array(rows)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_patches_agree_with_one_picture_at_a_time(data: st.DataObject) -> None:
    same = data.draw(st.booleans())
    sizes = st.tuples(st.integers(1, 6), st.integers(1, 7))
    fixed = data.draw(sizes)
    boxes = []
    for _ in range(data.draw(st.integers(1, 11))):
        height, width = fixed if same else data.draw(sizes)
        boxes.append((data.draw(st.integers(0, 6 - height)), data.draw(st.integers(0, 7 - width)), height, width))
    shape = (len(boxes), 6, 7, 3) if data.draw(st.booleans()) else (6, 7, 3)
    contents = RNG.normal(size=shape).astype(np.float32)
    choices = {"fixed_batch": 3} if data.draw(st.booleans()) else {}
    model = Network(batch_size=data.draw(st.integers(1, 5)), **choices)
    before = X.copy()
    told: list[tuple[int, int]] = []
    array = np.array(boxes, np.int64)
    found = model.predict_patched(X, array, contents, lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(found, slow_patched(opened(), array, contents), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(X, before)
    assert told[0] == (0, len(boxes))
    assert told[-1] == (len(boxes), len(boxes))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_no_patches_have_no_scores() -> None:
    told: list[tuple[int, int]] = []
    none = np.zeros((0, 4), np.int64)
    assert opened().predict_patched(X, none, X[0], lambda *now: told.append(now)).shape == (0, 4)
    assert opened(labels=list("abcd")).predict_patched(X, none, X[0]).dtype == np.float32
    assert told == []


def test_a_cancel_between_batches_stops() -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise CanceledError("stop")

    model = Network(batch_size=2)
    with pytest.raises(CanceledError):
        model.predict_patched(X, np.array([(0, 0, 1, 1)] * 10), X[0], stop)
    assert model.batches == [2, 2]


def test_memory_that_shrinks_under_patches() -> None:
    boxes = np.array([(0, 0, 2, 2), (1, 1, 2, 2), (4, 5, 2, 2), (3, 0, 2, 2), (2, 2, 2, 2)])
    model = Network(limited(2, MemoryError()), batch_size=4)
    found = model.predict_patched(X, boxes, np.zeros((6, 7, 3), np.float32))
    np.testing.assert_allclose(found, slow_patched(opened(), boxes, np.zeros((6, 7, 3))), rtol=1e-4, atol=1e-4)
    assert model.batch_size == 2


# --- scores -------------------------------------------------------------------------------------------------------


def test_one_column_of_a_sigmoid_has_two_classes() -> None:
    model = Network(lambda x: linear(x)[:, :1], 1, head=Head.SIGMOID)
    score = linear(X)[0, 0]
    np.testing.assert_allclose(model.predict(X), [[-score, score]], rtol=1e-4)
    assert model.labels == ("class 0", "class 1")
    np.testing.assert_allclose(model.probabilities(model.predict(X)).sum(), 1, atol=1e-6)
    hooks = ModelFile()
    hooks.labels = ["tank"]
    one = Network(lambda x: linear(x)[:, :1], 1, head=Head.SIGMOID, hooks=hooks)
    np.testing.assert_allclose(one.predict(X), [[score]], rtol=1e-4)


def test_the_best_targets_come_first_and_equal_ones_in_their_order() -> None:
    model = opened(labels=list("abcd"))
    scores = np.array([1, 3, 3, 2], np.float32)
    assert [t.label for t in model.top_targets(scores, 3)] == ["b", "c", "d"]
    assert [t.label for t in model.top_targets(scores, 99)] == ["b", "c", "d", "a"]
    many = Network(lambda x: np.zeros((len(x), 60), np.float32), 60)
    assert [t.index for t in many.top_targets(np.zeros(60, np.float32), 60)] == list(range(60))
    for count in (0, -1):
        with pytest.raises(TargetError, match=rf"^top must be at least 1\. Got {count}\.$"):
            model.top_targets(scores, count)


# --- preparing, and the hooks -------------------------------------------------------------------------------------


class Mine(ModelFile):
    """A model file whose hooks are given."""

    def __init__(self, **hooks: Any) -> None:
        self.given = hooks

    def preprocess(self, pictures: Sequence[np.ndarray]) -> Any:
        return self.given["preprocess"](pictures)

    def postprocess(self, activation: Array) -> Any:
        return self.given["postprocess"](activation)

    def decode_prob(self, scores: Array) -> Any:
        return self.given["decode_prob"](scores)


def hooked(**hooks: Any) -> Model:
    return Network(hooks=Mine(**hooks))


def test_declared_preprocessing_gives_input_view_and_frame() -> None:
    preprocessing = picasso.Preprocessing(size=(6, 7), resize="crop", color="bgr", mean=0.5)
    large = read_picture(RNG.integers(0, 256, (20, 40, 3)).astype(np.uint8))
    sample = opened(preprocessing=preprocessing).prepare(large)
    view, frame = preprocessing.view(large.pixels)
    np.testing.assert_array_equal(sample.view, view)
    np.testing.assert_allclose(sample.x[0], view[..., ::-1] / 255 - 0.5, atol=1e-6)
    assert sample.frame == frame != Frame(0, 0, 20, 40)
    assert sample.picture is large


def test_an_overridden_preprocess_hook_is_shown_stretched_and_has_no_frame() -> None:
    sample = hooked(preprocess=lambda pictures: np.stack([p[:4, :5] * 2.0 - 9 for p in pictures])).prepare(PICTURE)
    assert sample.x.dtype == np.float32
    np.testing.assert_array_equal(sample.x[0], PICTURE.pixels[:4, :5] * np.float32(2) - 9)
    assert sample.frame is None
    assert (sample.view.min(), sample.view.max()) == (0, 255)
    part = PICTURE.pixels[:4, :5].astype(float)
    np.testing.assert_allclose(sample.view, (part - part.min()) * 255 / (part.max() - part.min()), atol=0.51)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_an_input_of_any_channels_can_be_shown(channels: int) -> None:
    x = RNG.normal(size=(1, 4, 5, channels))
    view = hooked(preprocess=lambda pictures: x).prepare(PICTURE).view
    assert view.shape == (4, 5, 3)
    if channels < 3:
        assert (view == view[..., :1]).all()
    shown = x[0, ..., :3] if channels >= 3 else x[0, ..., :1]
    assert np.corrcoef(view[..., : shown.shape[2]].ravel(), shown.ravel())[0, 1] > 0.999


def test_a_constant_input_can_be_shown() -> None:
    assert not hooked(preprocess=lambda pictures: np.full((1, 4, 5, 3), 7.0)).prepare(PICTURE).view.any()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (np.zeros((4, 5, 3)), r"The network's input must be \(1, height, width, channels\)\. Got \(4, 5, 3\)\."),
        (np.zeros((2, 4, 5, 3)), r"must be \(1, height, width, channels\)\. Got \(2, 4, 5, 3\)"),
        (np.zeros((0, 4, 5, 3)), r"Got \(0, 4, 5, 3\)"),
        (np.zeros((1, 0, 5, 3)), r"Got \(1, 0, 5, 3\)"),
        (np.full((1, 4, 5, 3), np.nan), "Preprocessing gave NaN or infinite values"),
        (np.full((1, 4, 5, 3), np.inf), "Preprocessing gave NaN or infinite values"),
        (3.0, r"Got \(\)"),
    ],
)
def test_a_preprocess_hook_that_returns_nonsense_is_named(made: Any, said: str) -> None:
    model = hooked(preprocess=lambda pictures: made)
    for use in (lambda: model.prepare(PICTURE), lambda: model.preprocess([PICTURE.pixels])):
        with pytest.raises(ModelOutputError, match=said):
            use()


def test_a_preprocess_hook_that_raises_or_returns_no_numbers_is_named() -> None:
    def boom(pictures: object) -> None:
        raise ZeroDivisionError("boom")

    for hook, said in (
        (boom, "The preprocess hook raised ZeroDivisionError: boom"),
        (lambda pictures: None, "The preprocess hook raised|input must be"),
        (lambda pictures: [[1], [2, 3]], "The preprocess hook raised ValueError"),
        (lambda pictures: "text", "The preprocess hook raised ValueError"),
    ):
        with pytest.raises((ModelFailedError, ModelOutputError), match=said):
            hooked(preprocess=hook).prepare(PICTURE)


def test_a_preprocess_hook_that_draws_into_the_picture_does_not_change_it() -> None:
    before = PICTURE.pixels.copy()

    def draw(pictures: Sequence[np.ndarray]) -> Array:
        pictures[0][:] = 0
        return np.ones((1, 4, 5, 3), np.float32)

    hooked(preprocess=draw).prepare(PICTURE)
    np.testing.assert_array_equal(PICTURE.pixels, before)


def test_preprocess_must_return_one_input_for_each_picture() -> None:
    model = hooked(preprocess=lambda pictures: np.ones((len(pictures) + 1, 4, 5, 3)))
    with pytest.raises(ModelOutputError, match=r"must be \(2, height, width, channels\)\. Got \(3, 4, 5, 3\)"):
        model.preprocess([PICTURE.pixels] * 2)


def test_postprocess_lays_an_activation_out_and_must_give_space() -> None:
    tokens = RNG.normal(size=(2, 6, 5)).astype(np.float32)
    model = hooked(postprocess=lambda activation: activation.reshape(-1, 2, 3, 5))
    np.testing.assert_array_equal(model.postprocess(tokens), tokens.reshape(2, 2, 3, 5))
    with pytest.raises(ModelOutputError, match=r"activation has shape \(2, 6, 5\); a map needs \(n, height, width"):
        opened().postprocess(tokens)
    with pytest.raises(ModelFailedError, match="The postprocess hook raised ValueError"):
        model.postprocess(tokens[:, :5])


def test_decode_prob_is_the_hooks_and_labels_are_the_models() -> None:
    rows = [[Prediction(2, "mine", 0.75)], [Prediction(0, "a", 1.0), Prediction(1, "b", 0.5)]]
    assert hooked(decode_prob=lambda scores: rows).decode_prob(np.zeros((2, 4), np.float32)) == rows
    model = opened(labels=list("abcd"))
    best = model.decode_prob(np.array([[0, 9, 1, 2]], np.float32))[0]
    assert [p.label for p in best] == ["b", "d", "c", "a"]
    assert sum(p.probability for p in best) == pytest.approx(1)


@pytest.mark.parametrize(
    "made", [None, [], [[]], [["tank"]], [[("tank", 0.5)]], [[Prediction(0, "a", 1.0)]] * 2, 5, [None]]
)
def test_a_decode_prob_hook_that_returns_nonsense_is_named(made: Any) -> None:
    with pytest.raises((ModelOutputError, ModelFailedError), match="The decode_prob hook"):
        hooked(decode_prob=lambda scores: made).decode_prob(np.zeros((1, 4), np.float32))


def test_a_model_without_preprocessing_says_so() -> None:
    with pytest.raises(ModelOutputError, match=r"^This model declares no preprocessing\. Set it, or override"):
        Network().prepare(PICTURE)


# --- digests ------------------------------------------------------------------------------------------------------


def test_everything_that_decides_the_answer_is_in_the_digest() -> None:
    def make(**choices: Any) -> str:
        hooks = ModelFile()
        hooks.preprocessing = choices.pop("preprocessing", PLAIN)
        hooks.labels = choices.pop("labels", list("abcd"))
        hooks.source_digest = choices.pop("source", "")
        return Network(hooks=hooks, **choices).digest

    base = make()
    assert make() == base
    assert len(base) == 64
    others = {
        make(preprocessing=picasso.Preprocessing(size=(6, 7), mean=0.5)),
        make(labels=list("abce")),
        make(labels=None),
        make(source="changed"),
        make(head=Head.NONE),
    }
    assert len(others | {base}) == 6


def test_a_changed_origin_changes_the_digest_of_a_live_model() -> None:
    class Live(Network):
        weights = "1"

        def origin(self) -> str:
            return self.weights

    model = Live()
    before = model.digest
    assert model.digest == before
    model.weights = "2"
    assert model.digest != before
