"""The API of masks: where the object of a picture is, from a file, a data set or beside a sample."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from picasso.service.configuration import SampleFolder

from ..service.conftest import configure, picture
from .conftest import API, finished, refused, serving

Upload = Callable[[int], str]
METHOD = {"name": "partial-occlusion", "settings": {"window": "8px"}}
SIDE = 24
"""Of the pictures that `picture` makes."""


def drawn(top: int = 4, bottom: int = 10, side: int = SIDE, form: str = "PNG") -> bytes:
    """A mask whose rows from top to bottom are meant."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[top:bottom] = 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def sent(client: httpx.Client, digest: str, data: bytes, name: str = "mask.png") -> httpx.Response:
    return client.post(f"{API}/pictures/{digest}/masks", files={"file": (name, data)})


def shown(client: httpx.Client, mask: dict[str, Any]) -> np.ndarray[Any, Any]:
    answer = client.get(mask["file"])
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as image:
        return np.asarray(image)


def test_a_mask_is_kept_for_its_picture(client: httpx.Client, upload: Upload) -> None:
    digest = upload(61)
    mask = sent(client, digest, drawn(), "where/object.png").json()
    assert (mask["picture"], mask["name"], mask["area"]) == (digest, "object.png", 6 / SIDE)
    values = shown(client, mask)
    assert values[4:10].all()  # whatever the level was: everything but black
    assert not values[:4].any()
    assert not values[10:].any()
    again = sent(client, digest, drawn(form="BMP"), "same.bmp").json()
    assert again["digest"] == mask["digest"]
    other = sent(client, digest, drawn(0, 3)).json()
    listed = client.get(f"{API}/pictures/{digest}/masks").json()["masks"]
    assert [(one["digest"], one["name"]) for one in listed] == [
        (other["digest"], "mask.png"),
        (mask["digest"], "same.bmp"),
    ]
    assert client.get(f"{API}/pictures/{upload(62)}/masks").json()["masks"] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (drawn(side=20), "The mask must have the picture's size, 24 x 24. Got 20 x 20."),
        (drawn(0, 0), "The mask is empty."),
        (b"no picture", "The mask is no picture: mask.png"),
        (drawn()[:60], "The mask is no picture: mask.png"),
    ],
    ids=["size", "empty", "unreadable", "damaged"],
)
def test_a_mask_that_cannot_be_used_is_refused_in_words(
    client: httpx.Client, upload: Upload, data: bytes, words: str
) -> None:
    digest = upload(63)
    error = refused(sent(client, digest, data), 422, "bad-target")
    assert error["message"].startswith(words)
    assert "left,top" not in error["hint"]  # a box is no answer where a mask was asked for
    assert client.get(f"{API}/pictures/{digest}/masks").json()["masks"] == []


def test_what_is_not_there_is_said(client: httpx.Client, upload: Upload) -> None:
    digest = upload(64)
    refused(sent(client, "nothing", drawn()), 404, "not-found")
    refused(client.get(f"{API}/pictures/nothing/masks"), 404, "not-found")
    refused(client.get(f"{API}/pictures/{digest}/masks/nothing"), 404, "not-found")
    refused(client.post(f"{API}/pictures/{digest}/masks", data={"a": "b"}), 422, "bad-request")
    of_another = sent(client, upload(65), drawn()).json()["digest"]
    asked: dict[str, Any] = {"model": "Toy", "methods": [METHOD], "pictures": [digest]}
    for masks, status, code in (([of_another], 404, "not-found"), ([None, None], 422, "bad-settings")):
        refused(client.post(f"{API}/comparisons", json=asked | {"masks": masks}), status, code)


def test_methods_are_measured_against_the_masks_of_some_pictures(client: httpx.Client, upload: Upload) -> None:
    pictures = [upload(66), upload(67)]
    mask = sent(client, pictures[1], drawn(0, 12)).json()["digest"]
    asked = {"model": "Toy", "methods": [METHOD], "pictures": pictures}
    plain = finished(client, client.post(f"{API}/comparisons", json=asked | {"masks": [None, None]}).json())
    job = finished(client, client.post(f"{API}/comparisons", json=asked | {"masks": [None, mask]}).json())
    assert job["state"] == "done", job["error"]
    assert [task["mask"] for task in job["tasks"]] == [None, mask]
    found = client.get(f"{API}/comparisons/{job['comparison']}").json()
    assert found["masks"] == [None, mask]
    card = found["document"]["cards"][0]
    assert (card["pointing"]["pictures"], card["gain"]["pictures"]) == (1, 2)
    assert [one["mask_area"] for one in found["document"]["pictures"]] == [None, 0.5]
    outlined = [image["image"] for image in found["shown"][1]["maps"]] + [found["shown"][1]["view"]]
    for image in outlined:  # white above the edge, black below it
        raw = np.frombuffer(client.get(image["url"]).content, np.uint8).reshape(image["shape"])
        middle = raw.shape[0] // 2
        assert (raw[middle - 1] == 255).all()
        assert (raw[middle] == 0).all()
    page = client.get(found["exports"]["html"]).text
    assert "The mask's columns are measured on 1 of 2 pictures, those with a mask." in html.unescape(page)
    without = client.get(f"{API}/comparisons/{plain['comparison']}").json()
    assert without["key"] != found["key"]
    assert (without["masks"], without["document"]["cards"][0]["pointing"]) == ([], None)
    again = client.post(f"{API}/comparisons", json=asked | {"masks": [None, mask]})
    assert (again.status_code, again.json()["comparison"]) == (200, found["key"])


def test_what_a_data_set_knows_of_its_pictures_comes_with_them(client: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "ships"
    for number, name in enumerate(("good", "none", "bad", "empty")):
        (folder / "ship").mkdir(parents=True, exist_ok=True)
        (folder / "ship" / f"{name}.png").write_bytes(picture(70 + number))
    (folder / "masks" / "ship").mkdir(parents=True)
    for name, data in (("good", drawn()), ("bad", drawn(side=20)), ("empty", drawn(0, 0))):
        (folder / "masks" / "ship" / f"{name}.png").write_bytes(data)
    names = [f"ship/{name}.png" for name in ("good", "none", "bad", "empty")]
    answer = client.post(f"{API}/albums/pictures", json={"album": str(folder), "names": names}).json()
    good, none, bad, empty = answer["pictures"]
    (mask,) = client.get(f"{API}/pictures/{good['digest']}/masks").json()["masks"]
    assert (mask["name"], mask["area"]) == ("ships", 6 / SIDE)
    assert shown(client, mask)[4:10].all()
    for one in (none, bad, empty):
        assert client.get(f"{API}/pictures/{one['digest']}/masks").json()["masks"] == []
    assert (none["notes"], empty["notes"]) == ([], [])
    assert "Its mask is not used: The mask of ship/bad.png has 20 x 20 pixels" in bad["notes"][0]


def test_the_mask_beside_a_sample_comes_with_it(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    (samples / "masks").mkdir(parents=True)
    (samples / "scene.png").write_bytes(picture(80))
    (samples / "masks" / "scene.png").write_bytes(drawn())
    configuration = configure(tmp_path, names=("Toy",), samples=(SampleFolder(model="Toy", folder=samples),))
    with serving(configuration) as client:
        (sample,) = client.get(f"{API}/samples").json()["samples"]
        digest = client.post(f"{API}/samples/{sample['id']}").json()["digest"]
        (mask,) = client.get(f"{API}/pictures/{digest}/masks").json()["masks"]
        assert (mask["name"], mask["area"]) == ("scene.png", 6 / SIDE)
