"""The API of what a result over a folder leads to: its pictures, and what people say that they show."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from picasso.core.labels.annotations import annotations_file, read_annotations
from picasso.service import plugin_process

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


def test_only_pictures_and_classes_of_the_album_are_labeled(client: httpx.Client, folder: Path) -> None:
    opinion = {"album": str(folder), "picture": "dark/one.png", "annotator": "Ada", "label": "bright"}
    refused(client.post(f"{API}/albums/labels", json=opinion | {"picture": "dark/gone.png"}), 404, "not-found")
    error = refused(client.post(f"{API}/albums/labels", json=opinion | {"label": "aircraft"}), 422, "bad-settings")
    assert "must be a class of album. Got 'aircraft'" in error["message"]
    assert not annotations_file(folder).exists()
    for _ in range(2):  # what is kept already is not written again
        assert client.post(f"{API}/albums/labels", json=opinion).status_code == 204
    assert len(annotations_file(folder).read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize("album", ["~nobody-is-called-so/pictures", "album\0"], ids=["home", "nul"])
def test_an_album_that_can_be_no_path_is_refused(client: httpx.Client, album: str) -> None:
    opinion = {"album": album, "picture": "a", "annotator": "b", "label": "c"}
    refused(client.post(f"{API}/albums/labels", json=opinion), 422, "bad-settings")
    refused(client.post(f"{API}/albums/pictures", json={"album": album, "names": ["a"]}), 422, "bad-settings")


def test_many_pictures_are_read_a_few_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["dark/gone.png", "bright/one.png", "dark/one.png", "dark/broken.png"]
    whole = plugin_process.read_examples(str(folder), names)
    assert [*map(list, whole)] == [["problem"], ["data"], ["data"], ["data"]]
    monkeypatch.setattr(plugin_process, "MOST_ANSWERED", 1)
    few = []
    while len(few) < len(names):
        few += (part := plugin_process.read_examples(str(folder), names[len(few) :]))
        assert len(part) == 1
    assert few == whole


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
