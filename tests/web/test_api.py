"""The API: models, pictures, visualizations, jobs, results."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from ..service.conftest import picture, wait_until
from .conftest import API, finished, refused

Upload = Callable[[int], str]


def start(client: httpx.Client, *pictures: str, **changes: Any) -> dict[str, Any]:
    body = {"model": "Toy", "visualization": "partial-occlusion", "pictures": pictures} | changes
    answer = client.post(f"{API}/jobs", json=body)
    assert answer.status_code in (200, 202), answer.text
    job: dict[str, Any] = answer.json()
    return job


# --- models ------------------------------------------------------------------------------------------------------


def test_a_model_is_opened_and_described(client: httpx.Client) -> None:
    listed = client.get(f"{API}/models").json()["models"]
    assert [model["name"] for model in listed][:2] == ["Toy", "Unopenable"]
    answer = client.post(f"{API}/models/Toy/open")
    assert answer.status_code == 202
    assert answer.json()["state"] in ("opening", "ready")
    wait_until(lambda: client.get(f"{API}/models/Toy").json()["state"] == "ready")
    model = client.get(f"{API}/models/Toy").json()
    card = model["card"]
    assert (card["framework"], card["input_shape"], card["head"]) == ("function", [16, 16, 3], "softmax")
    assert card["labels"] == ["dark", "bright", "red"]
    assert card["score_units"] == "logit"
    assert card["capabilities"] == ["predict"]
    assert card["preprocessing"]["size"] == 16
    assert card["visualizations"]["partial-occlusion"] == ""
    assert "needs activations, gradients" in card["visualizations"]["grad-cam"]
    assert model["warm"]


def test_a_model_that_cannot_be_opened_says_why(client: httpx.Client) -> None:
    client.post(f"{API}/models/Unopenable/open")
    wait_until(lambda: client.get(f"{API}/models/Unopenable").json()["state"] == "failed")
    error = client.get(f"{API}/models/Unopenable").json()["error"]
    assert error["code"] == "bad-model"
    assert "the disk is gone" in error["message"]


def test_models_are_added_and_removed(client: httpx.Client) -> None:
    source = client.get(f"{API}/models/Toy").json()["source"]
    refused(client.post(f"{API}/models", json={"source": source}), 409, "not-supported")
    refused(client.post(f"{API}/models", json={"source": "/nowhere/x.pt"}), 422, "bad-model")
    refused(client.post(f"{API}/models", json={"source": source, "name": "a/b"}), 422, "bad-request")
    refused(client.post(f"{API}/models", json={"source": source, "colour": 1}), 422, "bad-request")
    name = "mine:toy@home"
    added = client.post(f"{API}/models", json={"source": source, "name": name, "labels": ["a", "b", "c"]})
    assert added.status_code == 201
    assert (added.json()["name"], added.json()["state"], added.json()["added"]) == (name, "new", True)
    client.post(f"{API}/models/{name}/open")
    wait_until(lambda: client.get(f"{API}/models/{name}").json()["state"] == "ready")
    assert client.get(f"{API}/models/{name}").json()["card"]["labels"] == ["a", "b", "c"]
    assert client.delete(f"{API}/models/{name}").status_code == 204
    refused(client.get(f"{API}/models/{name}"), 404, "not-found")
    refused(client.delete(f"{API}/models/Toy"), 409, "not-supported")


# --- pictures ----------------------------------------------------------------------------------------------------


def test_a_picture_is_kept_and_shown(client: httpx.Client, upload: Upload) -> None:
    digest = upload(11)
    kept = client.get(f"{API}/pictures/{digest}").json()
    assert (kept["name"], kept["width"], kept["height"], kept["notes"]) == ("11.png", 24, 24, [])
    for address in (kept["file"], kept["thumbnail"]):
        answer = client.get(address)
        assert "immutable" in answer.headers["cache-control"]
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (24, 24)
            assert answer.headers["content-type"] == f"image/{str(image.format).lower()}"
    assert digest in [item["digest"] for item in client.get(f"{API}/pictures?limit=5").json()["pictures"]]
    refused(client.get(f"{API}/pictures/{'0' * 64}"), 404, "not-found")
    refused(client.get(f"{API}/pictures/{'0' * 64}/file"), 404, "not-found")
    refused(client.get(f"{API}/pictures?limit=0"), 422, "bad-request")


def _bomb(side: int) -> bytes:
    """Return a few bytes that claim to be a PNG of side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello, I am a text", "not a picture"),
        (picture(1)[:60], "damaged"),
        (_bomb(9200), "9200 x 9200 pixels"),
        (_bomb(60000), "bad.png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%PDF-1.7 ...", "not a picture"),
    ],
    ids=["empty", "text", "cut off", "large", "bomb", "svg", "pdf"],
)
def test_a_bad_picture_is_refused_and_the_good_one_beside_it_kept(client: httpx.Client, data: bytes, says: str) -> None:
    files = [("files", ("bad.png", data)), ("files", ("good.png", picture(12)))]
    answer = client.post(f"{API}/pictures", files=files)
    assert answer.status_code == 200
    bad, good = answer.json()["pictures"]
    assert bad["name"] == "bad.png"
    assert bad["error"]["code"] == "bad-picture"
    assert says in bad["error"]["message"]
    assert good["name"] == "good.png"


def test_an_upload_without_a_picture_is_refused(client: httpx.Client) -> None:
    refused(client.post(f"{API}/pictures"), 422, "bad-request")
    refused(client.post(f"{API}/pictures", data={"files": "text"}), 422, "bad-request")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    refused(client.post(f"{API}/pictures", content=b"--y\r\nnonsense", headers=broken), 422, "bad-request")


def test_samples_are_offered_and_adopted(client: httpx.Client) -> None:
    (sample,) = client.get(f"{API}/samples").json()["samples"]
    assert (sample["model"], sample["name"]) == ("Toy", "scene.png")
    assert client.get(sample["thumbnail"]).headers["content-type"] == "image/jpeg"
    adopted = client.post(f"{API}/samples/{sample['id']}").json()
    assert client.get(f"{API}/pictures/{adopted['digest']}").json()["name"] == "scene.png"
    refused(client.post(f"{API}/samples/nothing"), 404, "not-found")


# --- visualizations ----------------------------------------------------------------------------------------------


def test_visualizations_are_listed_with_their_form(client: httpx.Client) -> None:
    answer = client.get(f"{API}/visualizations").json()
    found = {item["name"]: item for item in answer["visualizations"]}
    assert found["behave"]["origin"] == "folder"
    assert found["behave"]["file"].startswith(answer["folders"][0])
    assert found["partial-occlusion"]["schema"]["properties"]["window"]["title"] == "Window"
    assert found["partial-occlusion"]["attributes"]
    assert found["partial-occlusion"]["error"] == ""
    assert client.post(f"{API}/visualizations/reload").json() == answer


# --- jobs and results --------------------------------------------------------------------------------------------


def test_from_job_to_result_and_every_export(client: httpx.Client, upload: Upload) -> None:
    digest = upload(60)
    job = start(client, digest, settings={"window": "4px", "stride": "4px"}, target=["red", "bright - dark"], seed=3)
    assert (job["state"], job["target"], job["seed"]) == ("queued", ["red", "bright - dark"], 3)
    over = finished(client, job)
    assert over["state"] == "done"
    (task,) = over["tasks"]
    assert (task["picture"], task["state"], task["error"]) == (digest, "done", None)

    again = client.post(
        f"{API}/jobs",
        json={key: job[key] for key in ("model", "visualization", "pictures", "settings", "target", "top", "seed")},
    )
    assert again.status_code == 200
    assert again.json()["tasks"][0]["result"] == task["result"]

    result = client.get(f"{API}/results/{task['result']}").json()
    assert result["job"] == job["id"]
    assert result["picture"]["digest"] == digest
    assert [target["label"] for target in result["document"]["targets"]] == ["red", "bright - dark"]
    panels = {panel["id"]: panel for panel in result["panels"]}
    values = panels["map-0"]["values"]
    assert (values["dtype"], values["shape"]) == ("float32", [16, 16])
    raw = client.get(values["url"])
    assert "immutable" in raw.headers["cache-control"]
    assert raw.headers["content-type"] == "application/octet-stream"
    array = np.frombuffer(raw.content, "<f4").reshape(16, 16)

    exports = result["exports"]
    with np.load(io.BytesIO(client.get(exports["npz"]).content)) as archive:
        assert (archive["values_0"] == array).all()
        assert archive["scores"].shape == (4, 4, 3)
    assert json.loads(client.get(exports["json"]).content) == result["document"]
    seen = client.get(f"{panels['map-0']['picture']['url']}.png")
    with Image.open(io.BytesIO(seen.content)) as image:
        assert (image.format, image.size) == ("PNG", (16, 16))
    sizes = []
    for query in ("", "&panel=map-1", "&panel=map-1&bar=1"):
        answer = client.get(exports["png"] + query)
        assert answer.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(answer.content)) as image:
            sizes.append(image.size)
    assert sizes[0] == sizes[1] == (448, 448)
    assert sizes[2][0] > 448
    with zipfile.ZipFile(io.BytesIO(client.get(exports["zip"]).content)) as zipped:
        names = set(zipped.namelist())
    stem = "60.partial-occlusion"
    assert {f"{stem}.npz", f"{stem}.json", f"{stem}.red.png", f"{stem}.bright---dark.bar.png"} <= names
    disposition = client.get(exports["png"]).headers["content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''60.partial-occlusion.red.png"

    refused(client.get(exports["png"] + "&panel=map-9"), 404, "not-found")
    refused(client.get(f"{API}/results/{task['result']}/export?format=gif"), 422, "bad-request")
    refused(client.get(f"{values['url']}.png"), 404, "not-found")
    refused(client.get(f"{API}/artifacts/{'0' * 64}"), 404, "not-found")

    for query, count in (("model=Toy", True), ("model=nobody", False), ("visualization=behave&limit=1", False)):
        listed = client.get(f"{API}/results?{query}").json()["results"]
        assert (task["result"] in [item["key"] for item in listed]) == count
    assert client.delete(f"{API}/results/{task['result']}").status_code == 204
    refused(client.get(f"{API}/results/{task['result']}"), 404, "not-found")
    refused(client.delete(f"{API}/results/{task['result']}"), 404, "not-found")
    assert client.get(f"{API}/jobs/{job['id']}").json()["tasks"][0]["result"] is None
    assert client.delete(f"{API}/jobs/{job['id']}").status_code == 204
    refused(client.get(f"{API}/jobs/{job['id']}"), 404, "not-found")


def test_a_result_without_maps(client: httpx.Client, upload: Upload) -> None:
    over = finished(client, start(client, upload(61), visualization="class-probabilities"))
    result = client.get(f"{API}/results/{over['tasks'][0]['result']}").json()
    assert [panel["kind"] for panel in result["panels"]] == ["bars"]
    refused(client.get(result["exports"]["png"]), 409, "not-supported")
    refused(client.get(result["exports"]["png"] + "&panel=probabilities"), 409, "not-supported")
    assert client.get(result["exports"]["zip"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"visualization": "nothing"}, 404, "not-found"),
        ({"visualization": "saliency-map"}, 409, "not-supported"),
        ({"pictures": ["0" * 64]}, 404, "not-found"),
        ({"pictures": []}, 422, "bad-picture"),
        ({"pictures": "all"}, 422, "bad-request"),
        ({"settings": {"window": 3.0}}, 422, "bad-settings"),
        ({"settings": {"windo": 3}}, 422, "bad-settings"),
        ({"target": "tank"}, 422, "bad-target"),
        ({"target": 3}, 422, "bad-target"),
        ({"top": 0}, 422, "bad-request"),
        ({"seed": -1}, 422, "bad-request"),
        ({"extra": 1}, 422, "bad-request"),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: httpx.Client, upload: Upload, changes: dict[str, Any], status: int, code: str
) -> None:
    finished(client, start(client, upload(62), visualization="class-probabilities"))
    body = {"model": "Toy", "visualization": "partial-occlusion", "pictures": [upload(62)]} | changes
    refused(client.post(f"{API}/jobs", json=body), status, code)


def test_jobs_are_listed_and_canceled(client: httpx.Client, upload: Upload) -> None:
    job = start(client, upload(63), visualization="behave", settings={"steps": 5000, "pause": 0.02})
    wait_until(lambda: client.get(f"{API}/jobs/{job['id']}").json()["progress"]["done"] > 0)
    assert job["id"] in [item["id"] for item in client.get(f"{API}/jobs?state=running").json()["jobs"]]
    refused(client.delete(f"{API}/jobs/{job['id']}"), 409, "not-supported")
    assert client.post(f"{API}/jobs/{job['id']}/cancel").status_code == 200
    assert finished(client, job)["state"] == "canceled"
    assert client.post(f"{API}/jobs/{job['id']}/cancel").json()["state"] == "canceled"
    assert client.get(f"{API}/jobs?state=running&limit=3").json() == {"jobs": []}
    refused(client.get(f"{API}/jobs?state=sleeping"), 422, "bad-request")
    refused(client.post(f"{API}/jobs/nothing/cancel"), 404, "not-found")
    refused(client.get(f"{API}/jobs/nothing"), 404, "not-found")


# --- the rest ----------------------------------------------------------------------------------------------------


def test_color_maps(client: httpx.Client) -> None:
    maps = client.get(f"{API}/color-maps").json()
    assert {name: np.shape(values) for name, values in maps.items()} == {"signed": (256, 3), "unsigned": (256, 3)}


def test_every_error_has_the_one_body(client: httpx.Client) -> None:
    refused(client.get(f"{API}/nothing"), 404, "not-found")
    refused(client.put(f"{API}/models"), 405, "bad-request")
    refused(client.post(f"{API}/jobs", content=b"{"), 422, "bad-request")


def test_the_api_describes_itself(client: httpx.Client) -> None:
    described = client.get(f"{API}/openapi.json").json()
    assert all(path.startswith(API) for path in described["paths"])
    assert {"/models", "/pictures", "/jobs/{id_}/events"} <= {path.removeprefix(API) for path in described["paths"]}
    assert client.get("/docs").status_code == 404
