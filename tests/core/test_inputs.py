"""Tensors, batches, pairs, dicts and loaders in a picture's place give what the picture itself would give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from picasso.core.errors import PictureError
from picasso.core.explaining import explain
from picasso.core.hooks import ModelFile
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing
from picasso.core.result import Result, Results

RNG = np.random.default_rng(41)
PICTURES = [RNG.integers(0, 256, (16, 20, 3)).astype(np.uint8) for _ in range(3)]
DECLARED = Preprocessing(size=(16, 20), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
BATCH = DECLARED.apply_all(PICTURES)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    layers = torch.nn
    network = layers.Sequential(
        layers.Conv2d(3, 4, 3), layers.ReLU(), layers.AdaptiveAvgPool2d(2), layers.Flatten(), layers.Linear(16, 3)
    )
    return load_model(network, preprocessing=DECLARED, device="cpu")


def values(result: Result | Results) -> list[np.ndarray]:
    results = result if isinstance(result, Results) else [result]
    return [one.attributions[0].values for one in results]


def same(first: Result | Results, second: Result | Results) -> None:
    for one, other in zip(values(first), values(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


FORMS: dict[str, Any] = {
    "torch batch": lambda: torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()),
    "torch batch with gradients": lambda: torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()).requires_grad_(),
    "torch batch of doubles": lambda: torch.from_numpy(BATCH.transpose(0, 3, 1, 2).astype(np.float64)),
    "numpy NHWC": lambda: BATCH,
    "numpy NCHW": lambda: BATCH.transpose(0, 3, 1, 2),
    "list of tensors": lambda: [torch.from_numpy(one.transpose(2, 0, 1).copy()) for one in BATCH],
    "batch and labels": lambda: (torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()), torch.tensor([0, 1, 2])),
    "list of batch and labels": lambda: [BATCH, np.array([0, 1, 2])],
    "batch and one-hot labels": lambda: (BATCH, np.eye(3)),
    "dict": lambda: {"pixel_values": torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()), "labels": [1, 2, 3]},
    "loader": lambda: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()), torch.arange(3)), 2
    ),
    "generator": lambda: ({"image": BATCH[i : i + 1], "label": i} for i in range(3)),
    "bytes of numpy": lambda: np.stack(PICTURES),
    "bytes of torch": lambda: torch.from_numpy(np.stack(PICTURES).transpose(0, 3, 1, 2).copy()),
    "rows of a data set": lambda: [{"image": Image.fromarray(one), "label": 1} for one in PICTURES],
    "pairs of a data set": lambda: [(Image.fromarray(one), 1) for one in PICTURES],
    "torchvision's bytes": lambda: [torch.from_numpy(one.transpose(2, 0, 1).copy()) for one in PICTURES],
    "arrays of floats": lambda: [one / 255 for one in PICTURES],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_pictures_own_maps(model: Model, form: str) -> None:
    found = explain(model, FORMS[form](), target=1, window=8, stride=8)
    assert isinstance(found, Results)
    same(found, explain(model, PICTURES, target=1, window=8, stride=8))
    for one, pixels in zip(found, PICTURES, strict=True):
        np.testing.assert_array_equal(one.view, pixels)


@pytest.mark.parametrize(
    "source",
    [
        torch.from_numpy(BATCH[0].transpose(2, 0, 1).copy()),
        (torch.from_numpy(BATCH[0].transpose(2, 0, 1).copy()), 2),
        (Image.fromarray(PICTURES[0]), 2),
        {"image": Image.fromarray(PICTURES[0]), "label": 2},
        {"label": 2, "img": PICTURES[0]},
        PICTURES[0] / 255,
        torch.from_numpy(PICTURES[0].transpose(2, 0, 1).copy()),
    ],
)
def test_one_picture_gives_one_result(model: Model, source: object) -> None:
    found = explain(model, source, "saliency-map", target=1)
    assert isinstance(found, Result)
    same(found, explain(model, PICTURES[0], "saliency-map", target=1))


def test_a_batch_of_one_gives_a_list_of_one(model: Model) -> None:
    found = explain(model, BATCH[:1], "saliency-map", target=1)
    assert isinstance(found, Results)
    assert [one.picture.name for one in found] == ["input-0"]


def test_items_are_taken_one_at_a_time(model: Model) -> None:
    taken = []

    def loader() -> Iterator[np.ndarray]:
        for i in range(3):
            taken.append(i)
            yield BATCH[i : i + 1]

    pictures, alone = read_inputs(model, loader())
    assert not alone
    assert not taken
    next(pictures)
    assert taken == [0]


def test_a_data_set_without_an_iterator() -> None:
    class Rows:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, place: int) -> Any:
            return PICTURES[place % 3], place  # never raises IndexError

    black_box = load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=DECLARED, head="none")
    assert [picture.width for picture in read_inputs(black_box, Rows())[0]] == [20, 20]


def test_the_record_says_that_the_input_was_given(model: Model) -> None:
    result = explain(model, torch.from_numpy(BATCH[0].transpose(2, 0, 1).copy()), "saliency-map", target=1)
    assert isinstance(result, Result)
    assert result.record["model"]["preprocessing"] is None
    assert result.record["picture"]["notes"] == [
        "The network's input was given as it is.",
        "Shown with the model's preprocessing undone.",
    ]
    assert result.record["picture"]["frame"] is None


def test_what_the_preprocessing_cannot_have_made_is_shown_stretched(model: Model) -> None:
    x = (RNG.normal(size=(1, 16, 20, 3)) * 50).astype(np.float32)
    result = explain(model, x, fill="grey", window=8, stride=8, target=0)
    assert isinstance(result, Results)
    assert result[0].picture.notes[1].startswith("Shown stretched: -")
    assert (result[0].view.min(), result[0].view.max()) == (0, 255)
    # Grey has no meaning for it: the middle of each channel's range covers it.
    low, high = x[0].min(axis=(0, 1)), x[0].max(axis=(0, 1))
    covered = x.copy()
    covered[0, :8, :8] = low + (high - low) * 128 / 255
    drop = (model.predict(x) - model.predict(covered))[0, 0]
    assert result[0].attributions[0].native is not None
    np.testing.assert_allclose(result[0].attributions[0].native[0, 0], drop, rtol=1e-3)


def test_results_are_kept_by_content(model: Model) -> None:
    def maps(x: np.ndarray) -> np.ndarray:
        return values(explain(model, x, "saliency-map", target=1))[0]

    first = maps(BATCH[:1])
    assert maps(BATCH[:1].copy()) is first
    assert maps(BATCH[:1] + 1e-3) is not first


def test_what_is_given_is_not_changed_or_shared(model: Model) -> None:
    x = BATCH[:1].copy()
    picture = next(read_inputs(model, x)[0])
    x[:] = 0
    np.testing.assert_array_equal(picture.x, BATCH[0])


def test_where_all_sides_are_equal_each_framework_has_its_own_order() -> None:
    cube = load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=Preprocessing(size=3, scale=1), head="none")
    x = np.arange(27, dtype=np.float32).reshape(1, 3, 3, 3)
    np.testing.assert_array_equal(next(read_inputs(cube, x)[0]).x, x[0])
    np.testing.assert_array_equal(next(read_inputs(cube, torch.from_numpy(x))[0]).x, x[0].transpose(1, 2, 0))


def test_half_precision(model: Model) -> None:
    for kind in (torch.bfloat16, torch.float16):
        picture = next(read_inputs(model, torch.from_numpy(BATCH.transpose(0, 3, 1, 2).copy()).to(kind))[0])
        assert picture.x is not None
        np.testing.assert_allclose(picture.x, BATCH[0], atol=0.03)


def test_a_preprocess_hook_of_the_users_own_is_passed_by() -> None:
    class Own(ModelFile):
        def preprocess(self, pictures: Any) -> Any:
            return np.stack([pixels[:8, :8] / 100 for pixels in pictures])

        def load(self) -> Any:
            return lambda x: x.mean(axis=(1, 2))

    own = load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=Preprocessing(size=8), head="none")
    own.hooks.__class__ = Own
    picture = next(read_inputs(own, np.full((1, 8, 8, 3), 7, np.float32))[0])
    assert (own.prepare(picture).x == 7).all()
    assert not own.prepare(picture).colors


def test_arrays_for_a_network_of_values() -> None:
    declared = Preprocessing(size=(16, 20), color="values", bands=5)
    watching = load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=declared, head="none")
    array = RNG.normal(size=(16, 20, 5)) * 1000
    for source in (array, array[None].astype(np.float32), array.astype(np.float32)):
        picture = next(read_inputs(watching, source)[0])
        np.testing.assert_allclose(watching.prepare(picture).x[0], array, rtol=1e-5)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            np.zeros((2, 9, 9, 3), np.float32),
            r"reads inputs of 16 x 20 with 3 channels\. Got a batch of \(2, 9, 9, 3\)",
        ),
        (torch.zeros((1, 16, 20)), r"Got a batch of \(1, 1, 16, 20\)"),
        (np.full((1, 16, 20, 3), np.nan, np.float32), "holds NaN or infinite"),
        (np.full((16, 20, 3), 2.5), r"must lie in 0\.\.1.*a batch \(1, height, width, channels\)"),
        (np.zeros((1, 4, 16, 20, 3), np.float32), "An array must be"),
        ({"a": 1}, "None of the keys a is known to hold a picture"),
        (7, "must be a path, bytes"),
        (None, "looks at pictures. Got none"),
        ([7], "Got int"),
    ],
)
def test_what_fits_no_model_is_refused(model: Model, source: object, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        explain(model, source, "saliency-map", target=0)


def test_lists_of_pictures_stay_lists_of_pictures(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PICTURES[0]).save(path)
    grey = PICTURES[0][..., 0]
    for source in ([PICTURES[0], PICTURES[1]], [str(path), path], [path.read_bytes(), PICTURES[0]], [grey, grey]):
        assert len(list(read_inputs(model, source)[0])) == 2
    assert explain(model, [], "saliency-map") == ()
