"""Pictures of known classes as a network reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from picasso.core.errors import DatasetError, NotFoundError, NotSupportedError
from picasso.core.learning.labelled import labelled
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Array, Preprocessing
from tests.training.runs import SIDE, album


def brightest(x: Array) -> Array:
    return np.asarray(x.mean((1, 2)) * 9)


def model(*labels: str) -> Model:
    return load_model(brightest, preprocessing=Preprocessing(size=(SIDE, SIDE)), labels=labels, head="softmax")


def quiet(done: int, total: int) -> None:
    """Report nothing."""


def test_classes_are_matched_by_name_and_taken_in_turn(tmp_path: Path) -> None:
    folder = album(tmp_path / "album")
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = labelled(model("Red", "green", "blue"), str(folder), 100, quiet)
    assert (len(found), found.left_out, found.total) == (12, 1, 13)
    assert found.names == {1: "green", 0: "red"}
    assert found.x.shape == (12, SIDE, SIDE, 3)
    scores = brightest(found.x)
    assert found.accuracy(scores) == 1.0
    scores[found.classes == 0] = 0, 0, 1
    assert found.accuracy_by_class(scores) == {"green": 1.0, "red": 0.0}
    assert found.accuracy(scores) == 0.5

    few = labelled(model("red", "green", "blue"), str(folder), 5, quiet)
    assert few.classes.tolist() == [1, 0, 1, 0, 1]
    assert few.picture(1).digest == few.digests[1]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = str(album(tmp_path / "album"))
    with pytest.raises(DatasetError, match="has no class 'green'"):
        labelled(model("red", "blue", "x"), folder, 5, quiet)
    with pytest.raises(NotFoundError, match="is no data set with classes"):
        labelled(model("red", "green", "x"), str(tmp_path / "nowhere"), 5, quiet)
    painter = load_model(
        lambda x: x.transpose(0, 3, 1, 2), preprocessing=Preprocessing(size=(SIDE, SIDE)), labels=("a", "b", "c")
    )
    with pytest.raises(NotSupportedError, match="segmentation has no class of the whole picture"):
        labelled(painter, folder, 5, quiet)
