"""Every bad input in all three interfaces: the same error code, one clear sentence, and nothing stored is changed."""

from __future__ import annotations

import io
import json
import struct
import textwrap
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import picasso
from picasso.cli import app
from picasso.service.configuration import Configuration
from tests.models.networks import Plain, seeded
from tests.web.conftest import API, serving

MODELS = textwrap.dedent("""
    import numpy as np
    from picasso.plugin import ModelFile, Preprocessing

    class Good(ModelFile):
        labels = ("tank", "decoy")
        preprocessing = Preprocessing(size=16)
        def load(self):
            return lambda x: np.stack([x[:, :8].mean((1, 2, 3)), x[:, 8:].mean((1, 2, 3))], 1) * 9

    class Raises(Good):
        def load(self):
            def network(x):
                if x.max() < 2:  # the probe at opening is larger
                    raise ValueError("the weights are on strike")
                return x.mean((1, 2)) * 9
            return network
        labels = None

    class Nan(Good):
        def load(self):
            return lambda x: np.where(x.max() < 2, np.nan, 1) * x.mean((1, 2)) * 9
        labels = None

    class Mislabelled(Good):
        labels = ("tank", "decoy", "shed")
    """)


def png(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
GOOD = png(PIXELS)


def huge() -> bytes:
    """A PNG whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@dataclass
class Case:
    """One bad input, the code that it must get, and a part of what must be said."""

    code: str
    said: str
    picture: bytes = GOOD
    name: str = "photo.png"
    model: str = "models.py:Good"
    options: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    visualization: str = "partial-occlusion"
    settings: dict[str, Any] = field(default_factory=dict)


CASES = {
    "empty picture": Case("bad-picture", "0 bytes", picture=b""),
    "text as picture": Case("bad-picture", "not a picture", picture=b"hello, I am no picture"),
    "damaged picture": Case("bad-picture", "damaged", picture=png(PIXELS, "JPEG")[:200], name="photo.jpg"),
    "huge picture": Case("bad-picture", "at most 80 million", picture=huge()),
    "text called .keras": Case("bad-model", "text file", model="text.keras"),
    "no such model": Case("bad-model", "no model", model="absent.onnx9"),
    "state dict that does not fit": Case(
        "bad-model", "1 missing (fc.bias)", model="misfit.pt", options={"factory": "make.py:make"}
    ),
    "bare weights": Case("bad-model", "weights only", model="misfit.pt"),
    "pickle": Case("unsafe-model", "state_dict", model="pickled.pt"),
    "labels of the wrong length": Case(
        "bad-labels", "There are 3 labels, but the model has 2", model="models.py:Mislabelled"
    ),
    "window larger than the picture": Case("bad-settings", "window must be at most", settings={"window": "99px"}),
    "no window at all": Case("bad-settings", "window must be at least 1 pixel", settings={"window": "0px"}),
    "unknown setting": Case("bad-settings", "no setting 'windw'", settings={"windw": "9px"}),
    "target that is no class": Case("bad-target", "'plane' is no class", target="plane"),
    "unknown visualization": Case("not-found", "no visualization 'rorschach'", visualization="rorschach"),
    "visualization that does not fit": Case("not-supported", "needs", visualization="saliency-map"),
    "model that raises": Case("model-failed", "the weights are on strike", model="models.py:Raises"),
    "model that returns NaN": Case("bad-output", "NaN", model="models.py:Nan"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every bad file."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "models.py").write_text(MODELS)
    (folder / "make.py").write_text("from tests.models.networks import Plain\ndef make():\n    return Plain()\n")
    (folder / "text.keras").write_text("I am a text file.\n" * 20)
    state = seeded(Plain).state_dict()
    del state["fc.bias"]
    torch.save(state, folder / "misfit.pt")
    torch.save(seeded(Plain), folder / "pickled.pt")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    """A real server that may add models."""
    with serving(Configuration(data=folder / "data", allow_add=True, plugins=())) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_in_python(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.chdir(folder)

    def explain() -> None:
        model = picasso.load_model(case.model, **case.options)
        picasso.explain(model, case.picture, case.visualization, target=case.target, **case.settings)

    with pytest.raises(picasso.PicassoError) as caught:
        explain()
    assert caught.value.code == case.code
    assert case.said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_in_the_shell(name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.chdir(folder)
    (tmp_path / case.name).write_bytes(case.picture)
    words = ["explain", case.model, str(tmp_path / case.name), "--with", case.visualization, "--json"]
    words += ["--out", str(tmp_path / "out"), *(["--target", case.target] if case.target else [])]
    words += [word for key, value in case.settings.items() for word in ("--set", f"{key}={value}")]
    words += [word for key, value in case.options.items() for word in (f"--{key}", str(value))]
    done = CliRunner().invoke(app, words)
    assert done.exit_code in (1, 2, 3), done.output
    error = json.loads(done.stdout)["error"]
    assert error["code"] == case.code
    assert case.said in f"{error['message']} {error['hint']}"
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def ended(client: httpx.Client, path: str, states: tuple[str, ...]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer: dict[str, Any] = client.get(path).json()
        if answer["state"] in states:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{path} did not end: {answer}")


def stored(client: httpx.Client) -> Any:
    """Everything that a person would miss: the results, and the pictures."""
    return client.get(f"{API}/results").json(), [p["digest"] for p in client.get(f"{API}/pictures").json()["pictures"]]


@pytest.mark.parametrize("name", CASES)
def test_in_the_page(name: str, folder: Path, client: httpx.Client) -> None:
    case = CASES[name]
    # Something good is there first, and must be there afterwards.
    good = client.post(f"{API}/pictures", files={"files": ("good.png", GOOD)}).json()["pictures"][0]["digest"]
    before = stored(client)
    error = through_the_page(client, folder, case, good)
    assert error["code"] == case.code
    assert case.said in f"{error['message']} {error['hint']}"
    assert stored(client) == before
    assert client.get(f"{API}/models").status_code == 200


def through_the_page(client: httpx.Client, folder: Path, case: Case, good: str) -> dict[str, str]:
    """Do what the page does, and return the first error that it would show."""
    digest = good
    if case.picture is not GOOD:
        answer = client.post(f"{API}/pictures", files={"files": (case.name, case.picture)}).json()["pictures"][0]
        return answer["error"]  # type: ignore[no-any-return]
    source = str(folder / case.model)
    options = {key: str(folder / value) for key, value in case.options.items()}
    added = client.post(f"{API}/models", json={"source": source, "name": f"m{time.monotonic_ns()}"} | options)
    if added.status_code >= 400:
        return added.json()["error"]  # type: ignore[no-any-return]
    name = added.json()["name"]
    try:
        client.post(f"{API}/models/{name}/open")
        model = ended(client, f"{API}/models/{name}", ("ready", "failed"))
        if model["error"]:
            return model["error"]  # type: ignore[no-any-return]
        request = {
            "model": name,
            "pictures": [digest],
            "visualization": case.visualization,
            "settings": case.settings,
            "target": [case.target] if case.target else None,
        }
        job = client.post(f"{API}/jobs", json=request)
        if job.status_code >= 400:
            return job.json()["error"]  # type: ignore[no-any-return]
        done = ended(client, f"{API}/jobs/{job.json()['id']}", ("done", "failed"))
        assert done["state"] == "failed"
        return done["error"] or done["tasks"][0]["error"]  # type: ignore[no-any-return]
    finally:
        client.delete(f"{API}/models/{name}")


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert("CMYK").save(buffer, "JPEG")
    return buffer.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return png(PIXELS, "JPEG", exif=exif)


ODD = {
    "animated": (png(PIXELS, "GIF", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]), "the first is used"),
    "cmyk": (cmyk(), "CMYK"),
    "16 bit": (png(np.arange(1200, dtype=np.uint16).reshape(40, 30) * 50), "16 to 8 bits"),
    "alpha": (png(np.dstack([PIXELS, PIXELS[..., :1]])), "laid on white"),
    "rotated": (rotated(), "Turned upright"),
    "misnamed": (GOOD, ""),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_read_and_what_was_done_is_said(
    name: str, folder: Path, client: httpx.Client, tmp_path: Path
) -> None:
    data, note = ODD[name]
    model = picasso.load_model(f"{folder / 'models.py'}:Good")
    result = picasso.explain(model, data, "class-probabilities")
    assert isinstance(result, picasso.Result)
    uploaded = client.post(f"{API}/pictures", files={"files": ("photo.tiff", data)}).json()["pictures"][0]
    (tmp_path / "photo.tiff").write_bytes(data)
    words = ["explain", f"{folder / 'models.py'}:Good", str(tmp_path / "photo.tiff"), "--with", "class-probabilities"]
    shown = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out"), "--json"])
    document = json.loads(shown.stdout)["results"][0]
    for notes in (result.picture.notes, uploaded["notes"], document["picture"]["notes"]):
        assert note in " ".join(notes)
    assert (result.picture.height, result.picture.width) == ((30, 40) if name == "rotated" else (40, 30))
