"""What is written: files under safe names, raw numbers, a complete document, and HTML without script."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import picasso
from picasso.core.attribution import Attribution
from picasso.core.errors import NotFoundError, PictureError, TargetError
from picasso.core.hooks import Prediction
from picasso.core.panels import Bars, Images, Template, Text
from picasso.core.panels.heatmap import heatmaps
from picasso.core.pictures import render
from picasso.core.pictures.images import Picture
from picasso.core.result import FORMAT, Result, Results, safe_name
from picasso.core.targets import Target

RNG = np.random.default_rng(41)
VIEW = RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8)
HOSTILE = "<script>alert('x')</script>\"&\n../../etc/passwd"


def made(name: str = "photo.jpg", labels: tuple[str, ...] = ("tank", "decoy"), **changes: Any) -> Result:
    """A result of one visualization, by hand."""
    targets = tuple(Target(i, label, ((i, 1.0),)) for i, label in enumerate(labels))
    attributions = [
        Attribution(
            RNG.normal(size=(8, 12)).astype(np.float32),
            target,
            "change in logit",
            "signed",
            float(i),
            baseline="grey",
            native=RNG.normal(size=(2, 3)).astype(np.float32) if i == 0 else None,
            laid="as a grid",
            convergence_error=0.25 if i == 0 else None,
            change=4.0 if i == 0 else None,
            notes=("A note.",),
        )
        for i, target in enumerate(targets)
    ]
    values: dict[str, Any] = {
        "name": "partial-occlusion",
        "title": "Partial occlusion",
        "picture": Picture(VIEW, "digest", name),
        "view": VIEW,
        "targets": targets,
        "predictions": tuple(Prediction(i, label, 1 / (i + 2)) for i, label in enumerate(labels)),
        "attributions": tuple(attributions),
        "arrays": {"scores": np.arange(12.0).reshape(2, 3, 2)},
        "panels": tuple(heatmaps(attributions, VIEW, None, [0.5] * len(labels), 0.0)),
        "record": {"settings": {"window": "20%"}, "seed": 3},
    }
    return Result(**values | changes)


# --- files --------------------------------------------------------------------------------------------------------


def test_the_saved_files_and_their_names(tmp_path: Path) -> None:
    result = made()
    paths = result.save(tmp_path / "new" / "folder")
    names = [
        "photo.partial-occlusion.npz",
        "photo.partial-occlusion.json",
        "photo.partial-occlusion.tank.png",
        "photo.partial-occlusion.tank.bar.png",
        "photo.partial-occlusion.decoy.png",
        "photo.partial-occlusion.decoy.bar.png",
    ]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)
    assert all(path.parent == tmp_path / "new" / "folder" for path in paths)


def test_pictures_of_panels_are_saved_where_there_are_no_maps(tmp_path: Path) -> None:
    one = Images(id="mask", title="Mask", pictures=(VIEW,), captions=("all",))
    two = Images(id="both sides", title="Both", pictures=(VIEW, VIEW[::-1]), captions=("a", "b"))
    result = made(attributions=(), panels=(one, two))
    names = sorted(path.name for path in result.save(tmp_path) if path.suffix == ".png")
    stem = "photo.partial-occlusion."
    assert names == [f"{stem}both-sides-1.png", f"{stem}both-sides-2.png", f"{stem}mask.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{stem}mask.png")), VIEW)


def test_saving_replaces_its_own_files_and_nothing_else(tmp_path: Path) -> None:
    others = ["photo.jpg", "photo.partial-occlusion.shed.png", "photo.grad-cam.npz", "notes.txt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    made().save(str(tmp_path))
    first = (tmp_path / "photo.partial-occlusion.npz").read_bytes()
    made().save(tmp_path)
    assert (tmp_path / "photo.partial-occlusion.npz").read_bytes() != first
    assert all((tmp_path / name).read_text() == "mine" for name in others)
    assert len(list(tmp_path.iterdir())) == len(others) + 6


def test_the_raw_numbers(tmp_path: Path) -> None:
    result = made()
    (path, *_) = result.save(tmp_path)
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {"values_0", "values_1", "native_0", "scores"}
        for rank in (0, 1):
            np.testing.assert_array_equal(arrays[f"values_{rank}"], result.attributions[rank].values)
            assert arrays[f"values_{rank}"].dtype == np.float32
        np.testing.assert_array_equal(arrays["native_0"], result.attributions[0].native)
        np.testing.assert_array_equal(arrays["scores"], np.arange(12.0).reshape(2, 3, 2))


def test_maps_of_doubles_are_saved_as_floats() -> None:
    one = Attribution(np.full((8, 12), 0.1), Target(0, "a", ((0, 1.0),)), "u", "signed", 0.0)  # type: ignore[arg-type]
    with np.load(io.BytesIO(made(attributions=(one,)).npz())) as arrays:
        assert arrays["values_0"].dtype == np.float32


def test_the_pictures_open_and_show_the_map(tmp_path: Path) -> None:
    result = made()
    result.save(tmp_path)
    with Image.open(tmp_path / "photo.partial-occlusion.tank.png") as image:
        assert image.format == "PNG"
        assert image.size == (12 * 56, 8 * 56)
        panel = result.panels[0]
        drawn = render.overlay(VIEW, panel.values, "signed", panel.limits, min_side=448)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.asarray(image), drawn)
    with Image.open(tmp_path / "photo.partial-occlusion.tank.bar.png") as bar:
        assert bar.height == 8 * 56
        assert bar.width > 12 * 56 + 40
        np.testing.assert_array_equal(np.asarray(bar)[:, : 12 * 56], drawn)


def test_two_pictures_whose_files_would_meet_get_a_folder_each(tmp_path: Path) -> None:
    results = Results([made("photo.jpg"), made("other.jpg"), made("photo.png"), made("PHOTO.gif"), made("a/photo")])
    paths = results.save(tmp_path)
    assert len(set(paths)) == len(paths) == 30
    folders = [path.parent.relative_to(tmp_path).as_posix() for path in paths[::6]]
    assert folders == ["0000", ".", "0002", "0003", "0004"]
    assert all(path.is_file() for path in paths)


def test_different_names_share_a_folder(tmp_path: Path) -> None:
    paths = Results([made("a.jpg"), made("b.jpg")]).save(tmp_path)
    assert {path.parent for path in paths} == {tmp_path}
    assert len(set(paths)) == 12


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("photo.jpg", "photo"),
        ("my photo (1).tar.gz", "my-photo--1--tar"),
        ("../../etc/passwd.png", "passwd"),
        ("..", "picture"),
        ("", "picture"),
        (".hidden", "hidden"),
        ("a\nb\0c:d*e?.png", "a-b-c-d-e"),
        ("C:\\temp\\x.png", "C--temp-x"),
        ("戦車.png", "戦車"),
        ("---", "picture"),
        ("<b>&'\".png", "b"),
    ],
)
def test_a_pictures_name_becomes_a_safe_name(tmp_path: Path, name: str, stem: str) -> None:
    paths = made(name).save(tmp_path)
    assert all(path.parent == tmp_path and path.name.startswith(f"{stem}.partial-occlusion.") for path in paths)
    assert json.loads((tmp_path / f"{stem}.partial-occlusion.json").read_text("utf-8"))


@given(st.text())
@settings(deadline=None)
def test_any_name_is_safe_and_short(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) <= 80
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\t. ')
    assert safe == safe.strip("-")


def test_long_names_in_any_script_can_be_saved(tmp_path: Path) -> None:
    paths = made("戦" * 200 + ".png", ("車" * 200, "x" * 300)).save(tmp_path)
    assert len(paths) == 6
    assert all(path.is_file() and len(path.name.encode()) < 255 for path in paths)


def test_labels_whose_files_would_meet_are_numbered(tmp_path: Path) -> None:
    labels = ("a b", "a-b", "a-b-2", "A-B", "a/b", "a - b", "")
    paths = made(labels=labels).save(tmp_path)
    names = [p.name.removeprefix("photo.partial-occlusion.") for p in paths if ".bar." not in p.name][2:]
    assert names == ["a-b.png", "a-b-2.png", "a-b-2-2.png", "A-B-3.png", "a-b-4.png", "a---b.png", "picture.png"]
    assert len({path.name.casefold() for path in paths}) == len(paths) == 2 + 2 * len(labels)


# --- the document -------------------------------------------------------------------------------------------------


def test_the_document_is_versioned_and_complete(tmp_path: Path) -> None:
    result = made(targets=(Target(0, "tank", ((0, 1.0),)), Target(1, "decoy - tank", ((1, 1.0), (0, -1.0)), 0)))
    document = json.loads(result.save(tmp_path)[1].read_text("utf-8"))
    assert document == {
        "format": FORMAT,
        "settings": {"window": "20%"},
        "seed": 3,
        "targets": [{"index": 0, "label": "tank"}, {"index": 1, "label": "decoy - tank", "minus": 0}],
        "predictions": [
            {"index": 0, "label": "tank", "probability": 0.5},
            {"index": 1, "label": "decoy", "probability": 1 / 3},
        ],
        "attributions": [
            {
                "rank": rank,
                "target": label,
                "units": "change in logit",
                "sign": "signed",
                "score": float(rank),
                "baseline": "grey",
                "laid": "as a grid",
                "convergence_error": 0.25 if rank == 0 else None,
                "change": 4.0 if rank == 0 else None,
                "notes": ["A note."],
            }
            for rank, label in enumerate(("tank", "decoy"))
        ],
    }
    assert FORMAT == 1
    assert result.document() == document


def test_numpys_numbers_nan_and_infinity_become_json() -> None:
    values, target = np.zeros((8, 12), np.float32), Target(0, "tank", ((0, 1.0),))
    odd = Attribution(values, target, "u", "signed", np.float32(0.5), convergence_error=np.float64(np.nan))  # type: ignore[arg-type]
    result = made(
        attributions=(odd,),
        predictions=(Prediction(np.int64(1), "tank", np.float32(np.inf)),),  # type: ignore[arg-type]
        record={"seed": np.int64(3), "deep": {"a": [np.float32(0.25), (np.bool_(True), float("-inf"))]}},
    )
    document = json.loads(result.json(), parse_constant=pytest.fail)
    assert document["attributions"][0]["score"] == 0.5
    assert document["attributions"][0]["convergence_error"] is None
    assert document["predictions"] == [{"index": 1, "label": "tank", "probability": None}]
    assert (document["seed"], document["deep"]) == (3, {"a": [0.25, [True, None]]})


def test_at_most_a_hundred_predictions_are_written_and_labels_stay_readable() -> None:
    labels = ('戦車 "wide"', HOSTILE, *(f"class {i}" for i in range(150)))
    result = made(predictions=tuple(Prediction(i, label, 0.0) for i, label in enumerate(labels)))
    document = json.loads(result.json())
    assert len(document["predictions"]) == 100
    assert [p["label"] for p in document["predictions"][:2]] == list(labels[:2])
    assert "戦車" in result.json()


# --- notebooks ----------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_notebook_shows_title_best_classes_and_every_panel() -> None:
    result = made(labels=("a", "b", "c", "d"))
    tags = Tags(result._repr_html_())
    assert "Partial occlusion: photo.jpg" in tags.text
    assert "a 0.500, b 0.333, c 0.250" in tags.text
    assert "d 0.2" not in tags.text
    assert tags.tags.count("img") == 4
    both = Results([result, made("other.jpg")])._repr_html_()
    assert "photo.jpg" in both
    assert "other.jpg" in both


def test_hostile_names_labels_and_panels_are_escaped() -> None:
    panels = (
        *made(labels=(HOSTILE,)).panels,
        Text(id=HOSTILE, title=HOSTILE, caption=HOSTILE, text=HOSTILE + "\n\n" + HOSTILE),
        Bars(id="b", title=HOSTILE, labels=(HOSTILE,), values=(1.0,), units=HOSTILE),
        Images(id="c", title=HOSTILE, pictures=(VIEW,), captions=(HOSTILE,)),
        Template(id="d", title=HOSTILE, values={HOSTILE: HOSTILE}),
    )
    html = made(HOSTILE, (HOSTILE, HOSTILE), title=HOSTILE, panels=panels)._repr_html_()
    tags = Tags(html)
    assert set(tags.tags) <= {"div", "h3", "h4", "p", "figure", "figcaption", "img", "ul", "li", "table", "tr", "td"}
    assert {key for key, _ in tags.attributes} <= {"style", "alt", "src"}
    assert all(value.startswith("data:image/png;base64,") for key, value in tags.attributes if key == "src")
    assert tags.text.count("alert('x')") >= 8


def test_a_result_in_the_shell() -> None:
    assert repr(made()) == "Result(partial-occlusion, 'photo.jpg': tank 0.500)"


def test_what_explain_returns_can_be_saved_and_shown(tmp_path: Path) -> None:
    model = picasso.load_model(
        lambda x: x.mean((1, 2)), labels=["r", "g/..", "<b>"], preprocessing=picasso.Preprocessing(size=8)
    )
    result = picasso.explain(model, VIEW, "partial-occlusion", window=4)
    paths = result.save(tmp_path)
    assert len(paths) == 8
    assert {path.parent for path in paths} == {tmp_path}
    document = json.loads((tmp_path / "array.partial-occlusion.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert document["settings"]["window"] == "4px"
    assert {p["label"] for p in document["predictions"]} == {"r", "g/..", "<b>"}
    assert "<b>" not in result._repr_html_()


# --- boxes, and the mean of several ----------------------------------------------------------------------------------


def marked(left: float, *, name: str = "a.jpg", shape: tuple[int, int] = (8, 12), **changes: Any) -> Result:
    """A result with one map of 1 in four columns, and unknown in the last row; the picture is ten times as large."""
    values = np.zeros(shape, np.float32)
    values[2:5, int(left) : int(left) + 4] = 1.0
    values[-1] = np.nan
    target = Target(0, "tank", ((0, 1.0),))
    picture = Picture(np.zeros((80, 120, 3), np.uint8), "digest", name)
    attribution = Attribution(values, target, "change in logit", "signed", left, native=values[:2, :2])
    return made(name, picture=picture, attributions=(attribution,), **changes)


def test_a_box_has_the_pixels_of_the_picture() -> None:
    result = marked(3)
    assert result.attributions[0].box() == (3, 2, 4, 3)
    assert result.box() == (30, 20, 40, 30)
    assert result.mask().shape == (80, 120)
    assert result.mask()[20:50, 30:70].all()
    assert result.mask().sum() == 30 * 40
    cropped = marked(3, record={"picture": {"frame": {"top": 0.0, "left": 20.0, "height": 80.0, "width": 60.0}}})
    assert cropped.box() == (35, 20, 20, 30)


def test_a_box_in_the_padding_is_none_and_says_so() -> None:
    frame = {"top": -400.0, "left": 0.0, "height": 480.0, "width": 120.0}
    found = marked(3, record={"picture": {"frame": frame}}).extract()
    assert found.box is None
    assert found.reason == "It lies outside of the picture, in its padding."
    assert not found.mask.any()


def test_there_is_no_box_of_a_map_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="There is no map 1: Partial occlusion gave 1"):
        marked(3).box(1)


def test_the_mean_map_is_that_of_what_is_known() -> None:
    first, second = marked(1), marked(3, name="b.jpg")
    hole = first.attributions[0].values
    hole[0, 0] = np.nan
    second.attributions[0].values[0, 0] = 4.0
    mean = Results([first, second]).mean()[0]
    assert mean.values[3, 1:7].tolist() == [0.5, 0.5, 1.0, 1.0, 0.5, 0.5]
    assert mean.values[0, 0] == 4.0
    assert np.isnan(mean.values[-1]).all()
    assert mean.score == 2.0
    assert mean.notes == ("The mean over 2 pictures.",)
    assert mean.box(threshold=1.0, largest=True) == (0, 0, 1, 1)


def test_only_maps_of_one_size_and_target_have_a_mean() -> None:
    with pytest.raises(PictureError, match=r"Only maps of equal size have a mean. Got \(8, 12\), \(9, 12\)."):
        Results([marked(1), marked(1, shape=(9, 12))]).mean()
    with pytest.raises(TargetError, match="no explained target in common"):
        Results([marked(1), made(labels=("ship",))]).mean()
    with pytest.raises(PictureError, match="There is no picture"):
        Results([]).mean()
