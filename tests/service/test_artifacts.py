"""Content-addressed files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from picasso.core.errors import NotFoundError
from picasso.core.panels import Heatmap, Template
from picasso.service.artifacts import Artifacts
from picasso.service.panel_store import keep_panel, read_heatmap


def test_a_file_lies_under_its_digest(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    digest = artifacts.put(b"hello")
    assert digest == hashlib.sha256(b"hello").hexdigest()
    assert (tmp_path / "artifacts" / digest[:2] / digest).read_bytes() == b"hello"
    assert artifacts.put(b"hello") == digest
    assert artifacts.get(digest) == b"hello"
    assert [path.name for path in (tmp_path / "artifacts").glob("??/*")] == [digest]


@pytest.mark.parametrize("digest", ["", "abc", "../../../etc/passwd", "G" * 64, "a" * 64])
def test_what_is_not_there_is_not_found(tmp_path: Path, digest: str) -> None:
    with pytest.raises(NotFoundError):
        Artifacts(tmp_path).get(digest)


def test_a_damaged_file_is_never_given_out(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    digest = artifacts.put(b"hello")
    artifacts.path(digest).write_bytes(b"hullo")
    with pytest.raises(NotFoundError, match="damaged"):
        artifacts.get(digest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 2, 3)])
def test_arrays_keep_shape_and_values(tmp_path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    artifacts = Artifacts(tmp_path)
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    stored = artifacts.put_array(values)
    assert stored.shape == shape
    assert stored.dtype == ("uint8" if dtype is np.uint8 else "float32")
    back = artifacts.get_array(stored.artifact)
    assert back.shape == shape
    assert back.dtype.name == stored.dtype
    assert (back == values).all()


def test_equal_bytes_of_another_shape_are_another_file(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    assert artifacts.put_array(np.zeros((2, 4))).artifact != artifacts.put_array(np.zeros((4, 2))).artifact
    with pytest.raises(NotFoundError, match="no array"):
        artifacts.get_array(artifacts.put(b"hello"))


def test_a_sweep_deletes_what_nothing_refers_to_and_is_old(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    wanted, old, young = artifacts.put(b"wanted"), artifacts.put(b"old"), artifacts.put(b"young")
    parts = [tmp_path / f"{age}.part" for age in ("old", "young")]
    for part in parts:
        part.touch()
    for path in (artifacts.path(wanted), artifacts.path(old), parts[0]):
        os.utime(path, (1, 1))
    assert artifacts.sweep([wanted], older_than=60) == 2
    assert not artifacts.path(old).exists()
    assert [part.exists() for part in parts] == [False, True]
    assert artifacts.get(wanted) == b"wanted"
    assert artifacts.get(young) == b"young"


def test_a_heatmap_comes_back_as_it_was(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    values = np.array([[1.0, np.nan], [-2.0, 0.5]], np.float32)
    panel = Heatmap(
        id="map-0",
        title="tank",
        values=values,
        picture=np.zeros((2, 2, 3), np.uint8),
        units="change in logit",
        sign="signed",
        limits=(-2.0, 2.0),
        score=float("nan"),
        notes=("a note",),
    )
    kept, arrays = keep_panel(panel, artifacts)
    assert [array.new for array in arrays] == [True, True]
    assert kept["score"] is None
    back = read_heatmap(kept, artifacts)
    assert np.array_equal(back.values, values, equal_nan=True)
    assert (back.limits, back.notes, back.units) == (panel.limits, panel.notes, panel.units)


def test_a_panel_of_other_things_is_refused(tmp_path: Path) -> None:
    from picasso.core.errors import PluginError

    with pytest.raises(PluginError, match="no JSON"):
        keep_panel(Template(id="t", title="T", values={"x": object()}), Artifacts(tmp_path))
