"""The first page's numbers are those of the shipped models on the shipped pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.demo.catalog import FILES
from picasso.demo.scene import Scene, render
from picasso.demo.story import FOLDER, POSITIONS, TANK_MODELS, Judge


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    return json.loads((FOLDER / "story.json").read_text(encoding="utf-8"))


def entries(story: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(frame for scene in story["scenes"] for frame in scene["frames"]), *story["sheet"]]


def test_probabilities_are_recomputed(story: dict[str, Any]) -> None:
    judge = Judge()
    listed = entries(story)
    pictures = []
    for entry in listed:
        with Image.open(FOLDER / entry["file"]) as picture:
            pictures.append(picture.convert("RGB"))
    for entry, verdict in zip(listed, judge(pictures), strict=True):
        for name in TANK_MODELS:
            assert entry["tank_probability"][name] == pytest.approx(verdict[name], abs=1e-3), entry["file"]


def test_every_file_is_named_once_and_all_are_small(story: dict[str, Any]) -> None:
    named = [entry["file"] for entry in entries(story)]
    assert len(named) == len(set(named)) == 2 * 2 * len(POSITIONS) + 24
    assert {p.name for p in FOLDER.iterdir()} == {*named, "story.json"}
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) <= 1_200_000


def test_frames_show_the_scenes_they_name(story: dict[str, Any]) -> None:
    for scene in story["scenes"]:
        for frame in scene["frames"][::5]:
            kind = None if frame["erased"] else scene["kind"]
            drawn = render(Scene(scene["seed"], kind, frame["cloudiness"])).pixels
            with Image.open(FOLDER / frame["file"]) as picture:
                assert picture.size == (256, 256)
                shown = np.asarray(picture.convert("RGB"), np.float32)
            assert np.abs(shown - drawn).mean() < 5


def test_the_story_is_told(story: dict[str, Any]) -> None:
    for scene in story["scenes"]:
        frames = scene["frames"]
        for erased in (False, True):
            row = [f["tank_probability"] for f in frames if f["erased"] is erased]
            assert row[0]["tank-proxy"] < 0.1
            assert row[-1]["tank-proxy"] > 0.9
        honest = [f["tank_probability"]["tank-honest"] for f in frames if not f["erased"]]
        assert all((p > 0.5) == (scene["name"] == "tank") for p in honest)


def test_figures_are_those_of_the_training(story: dict[str, Any]) -> None:
    figures = json.loads((FILES / "figures.json").read_text(encoding="utf-8"))
    assert story["models"] == {name: figures[name] for name in TANK_MODELS}
