"""An index holds what the model says of each picture, goes on where it stopped, and says what it lacks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import picasso
from picasso.core.errors import CanceledError, ModelOutputError, NotFoundError, NotSupportedError, SettingsError
from picasso.core.facts import Capability
from picasso.core.index import PictureIndex, Reading, index_pictures
from picasso.core.index.building import pictures_of
from picasso.core.index.shelf import forget_oldest
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.testing import small_model, small_transformer
from tests.core.index.folders import SIZE, counted, draw

NAMES = [f"{'ab'[number % 2]}/{number}.png" for number in range(10)]


def quiet(done: int, total: int, message: str) -> None:
    assert 0 <= done <= total


def indexed(model: Model, folder: Path | str, *readings: Reading, most: int = 1000) -> PictureIndex:
    return index_pictures(model, folder, readings, quiet, most)


def test_the_scores_are_those_of_the_model_and_the_classes_those_of_the_folders(tmp_path: Path) -> None:
    model, _ = counted()
    draw(tmp_path, NAMES)
    index = indexed(model, tmp_path)
    assert index.names == tuple(sorted(NAMES))
    for row, name in enumerate(index.names):
        x = model.prepare(read_picture(tmp_path / name)).x
        np.testing.assert_allclose(index.scores[row], model.predict(x)[0], rtol=1e-5)
    assert index.truth.tolist() == ["abc".index(name[0]) for name in index.names]
    assert index.said() == f"10 pictures of {tmp_path.name}."


def test_what_is_kept_is_not_run_again_and_what_changed_is(tmp_path: Path) -> None:
    model, network = counted()
    draw(tmp_path, NAMES)
    first = indexed(model, tmp_path)
    assert network.pictures == 10
    np.testing.assert_array_equal(indexed(model, tmp_path).scores, first.scores)
    assert network.pictures == 10
    changed = np.full((*SIZE, 3), 255, np.uint8)
    Image.fromarray(changed).save(tmp_path / NAMES[3])
    draw(tmp_path, ["b/new.png"], seed=5)
    (tmp_path / NAMES[0]).unlink()
    again = indexed(model, tmp_path)
    assert network.pictures == 12
    assert len(again) == 10
    np.testing.assert_allclose(again.scores[again.names.index(NAMES[3])], 1.0, rtol=1e-6)


def test_another_network_has_an_index_of_its_own(tmp_path: Path) -> None:
    draw(tmp_path, NAMES[:2])
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    scores = []
    for _ in range(2):
        scores.append(
            indexed(picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIZE)), tmp_path).scores
        )
        with torch.no_grad():
            network[0].bias += 1
    np.testing.assert_allclose(scores[1], scores[0] + 1, atol=1e-4)


def test_a_cancel_keeps_what_was_done(tmp_path: Path) -> None:
    model, network = counted()
    draw(tmp_path, NAMES)

    def until_eight(done: int, total: int, message: str) -> None:
        if done >= 8:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        index_pictures(model, tmp_path, (), until_eight)
    assert network.pictures == 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("picasso-decoding")]
    assert len(indexed(model, tmp_path)) == 10
    assert network.pictures == 10


NETWORK = """
import time
from pathlib import Path
import torch
from picasso.plugin import ModelFile, Preprocessing

LOG = Path(__file__).with_name("log")

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        levels = 255 * x
        if LOG.exists() and bool((levels - levels.round()).abs().max() < 1e-3):  # no noise that only tries it
            LOG.write_text(f"{int(LOG.read_text()) + len(x)}")
            time.sleep(0.02)
        return x.mean(dim=(2, 3))[:, :2] * self.scale

class Slow(ModelFile):
    preprocessing = Preprocessing(size=(12, 16))
    labels = ("a", "b")

    def load(self):
        return Net()
"""


def test_a_process_that_is_killed_leaves_what_it_had_done(tmp_path: Path, picasso_home: Path) -> None:
    draw(tmp_path / "set", [f"{'ab'[number % 2]}/{number}.png" for number in range(160)])
    (tmp_path / "net.py").write_text(NETWORK)
    log = tmp_path / "log"
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        import picasso
        from picasso.core.index import index_pictures
        model = picasso.load_model(sys.argv[1] + "/net.py:Slow", batch_size=4)
        Path(sys.argv[1], "log").write_text("0")
        index_pictures(model, sys.argv[1] + "/set", (), lambda *said: None)
    """)
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        while process.poll() is None and not (log.exists() and int(log.read_text() or 0) >= 40):
            time.sleep(0.01)
        process.kill()  # SIGKILL: nothing is cleaned up
    finally:
        process.wait()
    log.unlink()
    model = picasso.load_model(f"{tmp_path}/net.py:Slow", batch_size=4)
    reports: list[tuple[int, int]] = []
    log.write_text("0")
    index = index_pictures(model, tmp_path / "set", (), lambda done, total, said: reports.append((done, total)))
    kept = reports[1][0]
    assert 36 <= kept < 160
    assert int(log.read_text()) == 160 - kept
    assert len(index) == 160
    for row in (0, 80, 159):
        x = model.prepare(read_picture(tmp_path / "set" / index.names[row])).x
        np.testing.assert_allclose(index.scores[row], model.predict(x)[0], rtol=1e-5)


def test_what_is_no_picture_is_left_out_and_named(tmp_path: Path) -> None:
    model, network = counted()
    draw(tmp_path, NAMES)
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but nothing follows")
    (tmp_path / "b" / "notes.png").write_text("no picture at all")
    index = indexed(model, tmp_path)
    assert len(index) == len(index.scores) == 10
    assert {one.name for one in index.unreadable} == {"a/broken.png", "b/notes.png"}
    assert index.said().startswith(f"10 pictures of {tmp_path.name}; left out: a/broken.png and 1 more (")
    assert network.pictures == 10


def test_a_file_that_goes_while_the_folder_is_read_is_left_out_and_comes_back(tmp_path: Path) -> None:
    model, _ = counted()
    draw(tmp_path, NAMES)
    gone, aside = tmp_path / NAMES[4], tmp_path / "aside"

    def taking_away(done: int, total: int, message: str) -> None:
        if total == 10 and gone.exists():
            gone.rename(aside)

    index = index_pictures(model, tmp_path, (), taking_away)
    assert [one.name for one in index.unreadable] == [NAMES[4]]
    assert NAMES[4] not in index.names
    assert len(index.scores) == 9
    aside.rename(gone)  # of the same date
    assert NAMES[4] in indexed(model, tmp_path).names


def test_a_picture_at_which_the_network_fails_does_not_take_others_with_it(tmp_path: Path) -> None:
    model, network = counted()
    network.sound = False
    draw(tmp_path, NAMES)
    Image.fromarray(np.full((*SIZE, 3), 255, np.uint8)).save(tmp_path / NAMES[5])
    index = indexed(model, tmp_path)
    assert [one.name for one in index.unreadable] == [NAMES[5]]
    assert "too bright" in index.unreadable[0].reason
    assert len(index.scores) == 9


def test_two_that_read_the_same_folder_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    draw(tmp_path, [f"a/{number}.png" for number in range(60)])
    found: list[PictureIndex] = []
    threads = [threading.Thread(target=lambda: found.append(indexed(counted()[0], tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = found
    np.testing.assert_array_equal(one.scores, other.scores)


def test_whoever_looks_at_small_pictures_hinders_nobody_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = counted()
    draw(tmp_path / "one", NAMES)
    draw(tmp_path / "two", NAMES[:3])
    index = indexed(model, tmp_path / "one")
    views = index.views(range(10))
    next(views)
    monkeypatch.setattr("picasso.core.index.shelf._WAIT", 0)
    assert len(indexed(model, tmp_path / "two")) == 3
    assert len(list(views)) == 9


def test_a_damaged_file_is_named(tmp_path: Path, picasso_home: Path) -> None:
    model, _ = counted()
    draw(tmp_path, NAMES[:2])
    index = indexed(model, tmp_path)
    file = index.shelf.file
    sound = file.read_bytes()
    try:
        file.write_bytes(b"this is no database" * 100)
        with pytest.raises(picasso.PicassoError, match=f"The index {file} cannot be used: file is not a database"):
            indexed(model, tmp_path)
    finally:
        file.write_bytes(sound)
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM pictures")
    database.close()
    with pytest.raises(picasso.PicassoError, match="holds 0 of 2 pictures"):
        _ = index.scores


def test_pictures_of_every_kind_are_read_as_the_model_reads_them(tmp_path: Path) -> None:
    model, _ = counted()
    (noise,) = draw(tmp_path, ["color.png"])
    Image.fromarray(noise[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(np.dstack([noise, noise[..., :1]])).save(tmp_path / "alpha.png")
    Image.fromarray(noise).resize((40, 30)).save(tmp_path / "large.jpg")
    index = indexed(model, tmp_path)
    assert index.names == ("alpha.png", "color.png", "deep.png", "grey.png", "large.jpg")
    for row, name in enumerate(index.names):
        np.testing.assert_array_equal(
            index.scores[row], model.predict(model.prepare(read_picture(tmp_path / name)).x)[0]
        )
    assert index.truth.tolist() == [-1] * 5
    assert not index.labelled


def test_of_more_pictures_so_many_at_even_distances(tmp_path: Path) -> None:
    model, network = counted()
    draw(tmp_path, NAMES)
    index = indexed(model, tmp_path, most=4)
    order = sorted(NAMES)
    assert index.names == tuple(order[number] for number in (0, 2, 5, 7))
    assert network.pictures == 4
    assert "evenly chosen from 10" in index.said()


def test_what_was_skipped_is_not_taken_for_what_was_not_chosen(tmp_path: Path) -> None:
    """Seven files that are no pictures hide that three pictures were not chosen, if they are counted together."""
    model, _ = counted()
    draw(tmp_path, NAMES)
    for number in range(7):
        (tmp_path / "a" / f"{number}.txt").write_text("notes")
    said = indexed(model, tmp_path, most=7).said()
    assert "evenly chosen from 10" in said
    assert "left out: a/0.txt and 6 more" in said


def test_folders_and_archives_without_classes(tmp_path: Path) -> None:
    draw(tmp_path / "flat", ["1.png", "2.png", "10.png"])
    (tmp_path / "flat" / ".hidden.png").write_bytes(b"")
    assert [one.name for one in pictures_of(tmp_path / "flat").examples] == ["1.png", "2.png", "10.png"]
    with zipfile.ZipFile(tmp_path / "flat.zip", "w") as archive:
        archive.write(tmp_path / "flat" / "1.png", "1.png")
    model, _ = counted()
    assert indexed(model, tmp_path / "flat.zip").names == ("1.png",)


def test_why_a_folder_has_no_classes_is_known(tmp_path: Path) -> None:
    draw(tmp_path, ["1.png", "2.png"])
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("file,label\n1.png,a\n2.png,b\n")
    assert "several tables: one.csv, two.csv" in pictures_of(tmp_path).notes[0]


def test_classes_that_the_model_does_not_have_are_named(tmp_path: Path) -> None:
    model, _ = counted()
    draw(tmp_path, ["a/1.png", "zebra/1.png"])
    index = indexed(model, tmp_path)
    assert index.truth.tolist() == [-1, -1]
    assert "zebra" in index.unmatched


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [("", SettingsError, "album must name"), ("no such folder", NotFoundError, "no folder or data set"),
     ("x" * 5000, (NotFoundError, picasso.PicassoError), "x"), ("demo:nothing", NotFoundError, "demo:nothing")],
)  # fmt: skip
def test_what_is_no_folder_is_refused(source: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        indexed(counted()[0], source)


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    model, _ = counted()
    with pytest.raises(NotFoundError, match="no pictures in"):
        indexed(model, tmp_path)
    (tmp_path / "a.png").write_text("none")
    with pytest.raises(NotFoundError, match="holds no picture that the network can read"):
        indexed(model, tmp_path)


def test_what_cannot_be_read_of_the_model_is_refused_before_any_picture(tmp_path: Path) -> None:
    draw(tmp_path, NAMES[:2])
    transformer = small_transformer()
    with pytest.raises(NotFoundError, match="no layer 'conv9'"):
        indexed(transformer, tmp_path, Reading("conv9"))
    transformer.capabilities -= {Capability.GRADIENTS}
    transformer.capabilities -= {Capability.GRADIENTS}
    with pytest.raises(NotSupportedError, match="gradients"):
        indexed(transformer, tmp_path, Reading("patches", 0))
    odd = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(2), torch.nn.Linear(140, 2), torch.nn.Flatten()
    )
    flattened = picasso.load_model(odd, preprocessing=picasso.Preprocessing(size=SIZE))
    with pytest.raises(ModelOutputError, match="needs"):
        indexed(flattened, tmp_path, Reading("2"))


def test_channels_of_maps_tokens_and_vectors_are_those_of_activations(tmp_path: Path) -> None:
    """Compared with a plain loop over single pictures, with the tokens laid out by hand."""
    draw(tmp_path, NAMES)
    for model in (small_model(), small_transformer()):
        layers = [layer for layer in model.layers() if len(layer.shape) != 2 or layer.grid]
        chosen = [layers[0], layers[-2], layers[-1]]
        index = indexed(model, tmp_path, *(Reading(layer.name) for layer in chosen))
        for layer in chosen:
            reading = Reading(layer.name)
            found = {
                field: index.strongest(reading, field)
                for field in ("largest", "largest_at", "smallest", "smallest_at", "mean")
            }
            for row, name in enumerate(index.names):
                x = model.prepare(read_picture(tmp_path / name)).x
                values = model.activations(x, [layer.name])[layer.name][0]
                if layer.grid:
                    values = values[-layer.grid[0] * layer.grid[1] :]
                flat = values.reshape(-1, values.shape[-1])
                np.testing.assert_allclose(found["largest"][row], flat.max(axis=0), atol=1e-5)
                np.testing.assert_allclose(found["smallest"][row], flat.min(axis=0), atol=1e-5)
                np.testing.assert_allclose(found["mean"][row], flat.mean(axis=0), atol=1e-5)
                channels = range(values.shape[-1])
                np.testing.assert_allclose(flat[found["largest_at"][row], channels], flat.max(axis=0), atol=1e-5)
                np.testing.assert_allclose(flat[found["smallest_at"][row], channels], flat.min(axis=0), atol=1e-5)
            last = values.shape[-1] - 1
            np.testing.assert_array_equal(index.strongest(reading, "mean", last), found["mean"][:, last])
            assert np.prod(index.shape(reading)) == len(flat)


def test_the_object_is_as_large_as_its_mask(tmp_path: Path) -> None:
    model, _ = counted()
    draw(tmp_path, NAMES[:3])
    mask = np.zeros(SIZE, np.uint8)
    mask[:3, :4] = 255
    (tmp_path / "masks" / "a").mkdir(parents=True)
    Image.fromarray(mask).save(tmp_path / "masks" / NAMES[0])
    index = indexed(model, tmp_path)
    sizes = index.properties[:, -1]
    assert sizes[index.names.index(NAMES[0])] == 1 / 16
    assert np.isnan(sizes).sum() == 2


def test_indexes_that_were_used_longest_ago_are_forgotten(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.sqlite3" for number in range(4)]
    for age, file in enumerate(files):
        file.write_bytes(bytes(100))
        os.utime(file, (1000 - age, 1000 - age))
    other = tmp_path / "notes.txt"
    other.write_bytes(bytes(1000))
    forget_oldest(files[3], most=250)  # the oldest of all, and the one that is in use
    assert [file.exists() for file in files] == [True, False, False, True]
    assert other.exists()


def test_an_index_that_is_read_again_counts_as_used(tmp_path: Path) -> None:
    model, _ = counted()
    draw(tmp_path, NAMES[:2])
    (file,) = {indexed(model, tmp_path).shelf.file}
    os.utime(file, (1000, 1000))
    indexed(model, tmp_path)
    assert file.stat().st_mtime > 1000
