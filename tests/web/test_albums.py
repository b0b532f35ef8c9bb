"""The API of what a result over a folder leads to: its pictures, and what people say that they show."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from picasso.core.annotations import read_annotations

from ..service.conftest import configure, picture
from .conftest import API, refused, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder by class with two pictures and a file that is none."""
    for label, shade in (("dark", 20), ("bright", 220)):
        (tmp_path / "album" / label).mkdir(parents=True)
        (tmp_path / "album" / label / "one.png").write_bytes(picture(shade))
    (tmp_path / "album" / "dark" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "album"


def test_pictures_are_taken_in_each_by_itself(client: httpx.Client, folder: Path) -> None:
    names = ["bright/one.png", "dark/broken.png", "dark/gone.png"]
    answer = client.post(f"{API}/albums/pictures", json={"album": str(folder), "names": names})
    assert answer.status_code == 200, answer.text
    taken, broken, gone = answer.json()["pictures"]
    assert taken["name"] == "one.png"
    assert client.get(taken["file"]).status_code == 200
    assert (broken["name"], broken["error"]["code"]) == ("dark/broken.png", "bad-picture")
    assert "not in album any more" in gone["error"]["message"]


def test_a_label_is_kept_and_taken_back(client: httpx.Client, folder: Path) -> None:
    opinion = {"album": str(folder), "picture": "dark/one.png", "annotator": "Ada", "label": "bright"}
    assert client.post(f"{API}/albums/labels", json=opinion).status_code == 204
    assert read_annotations(folder) == {"Ada": {"dark/one.png": "bright"}}
    assert client.post(f"{API}/albums/labels", json=opinion | {"label": ""}).status_code == 204
    assert read_annotations(folder) == {}
    refused(client.post(f"{API}/albums/labels", json=opinion | {"annotator": "  "}), 422, "bad-settings")


def test_a_page_names_no_folder_where_it_may_not(tmp_path: Path, folder: Path) -> None:
    with serving(configure(tmp_path / "strict", names=("Toy",))) as strict:
        for path, body in (
            ("pictures", {"album": str(folder), "names": ["dark/one.png"]}),
            ("labels", {"album": str(folder), "picture": "a", "annotator": "b", "label": "c"}),
        ):
            error = refused(strict.post(f"{API}/albums/{path}", json=body), 422, "bad-settings")
            assert "must be a data set of this server" in error["message"]


def test_an_album_that_is_not_there(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post(f"{API}/albums/pictures", json={"album": str(tmp_path / "gone"), "names": ["a.png"]})
    refused(answer, 404, "not-found")
    refused(client.post(f"{API}/albums/pictures", json={"album": "x", "names": []}), 422, "bad-request")
