"""PyTorch files in all the ways in which people keep them, and refused where they are something else."""

from __future__ import annotations

import argparse
import json
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import picasso
from picasso.core.errors import ModelFileError, PicassoError, UnsafeModelError
from picasso.core.model import Model
from picasso.core.trust import file_digest
from picasso.models.torch import opener as adapter
from picasso.testing import check_model
from tests.models.networks import Plain, seeded

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2


def opened(path: Path, **choices: Any) -> Model:
    return picasso.load_model(path, factory=Plain, preprocessing=SIZE, **choices)


def agrees(model: Model) -> None:
    expected = picasso.load_model(seeded(Plain), preprocessing=SIZE).predict(X)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)


class Setup:
    """What a trainer keeps beside the weights."""

    rate = 0.1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()} | {"loss.weight": torch.ones(5)}, "epoch": 3},
        lambda s: {"model": {f"backbone.body.{k}": v for k, v in s.items()}},
        lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {}}},
        lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {"model": s}},
        lambda s: dict(s) | {"head._extra_state": b"bytes"},
    ],
)
@pytest.mark.parametrize("ending", [".ckpt", ".bin", ".pth.tar"])
def test_checkpoints_of_trainers(tmp_path: Path, wrap: Any, ending: str) -> None:
    path = tmp_path / f"net{ending}"
    torch.save(wrap(seeded(Plain).state_dict()), path)
    agrees(opened(path))


def test_a_prefix_that_the_file_lacks() -> None:
    from picasso.models.torch.weights import without_prefix

    assert without_prefix({"a.weight": 1}, ["net.a.weight"]) == {"net.a.weight": 1}
    assert without_prefix({"b.weight": 1}, ["net.a.weight"]) == {"b.weight": 1}
    assert without_prefix({"model.b.weight": 1}, ["a.weight"]) == {"b.weight": 1}
    assert without_prefix({"x.a": 1, "x.c": 2}, ["a"]) == {"a": 1, "c": 2}


def test_a_checkpoint_with_objects_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "epoch=3.ckpt"
    torch.save({"state_dict": seeded(Plain).state_dict(), "hyper_parameters": Setup()}, path)
    with pytest.raises(UnsafeModelError, match=f"pickled Python objects.*--trust {file_digest(path)}.*state_dict"):
        opened(path)
    agrees(opened(path, trust=file_digest(path)))


def test_what_trainers_keep_beside_the_weights_needs_no_trust(tmp_path: Path) -> None:
    path = tmp_path / "epoch3.pth"
    kept = {"args": argparse.Namespace(rate=0.1), "best": np.float64(0.9), "folder": tmp_path, "curve": np.ones((3, 2))}
    torch.save({"model": seeded(Plain).state_dict(), **kept}, path)
    agrees(opened(path))


class Large:
    """Asks NumPy for 2 GB when it is unpickled."""

    def __reduce__(self) -> Any:
        return np.float64(0).__reduce__()[0], (np.dtype("V2000000000"),)


def test_what_is_kept_beside_the_weights_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": seeded(Plain).state_dict(), "best": Large()}, path)
    tracemalloc.start()
    try:
        agrees(opened(path))
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


NAMES = ["stop", "yield", "go", "left", "right"]


@pytest.mark.parametrize(
    "kept",
    [
        {"class_to_idx": {name: index for index, name in reversed([*enumerate(NAMES)])}},
        {"idx_to_class": dict(enumerate(NAMES))},
        {"classes": NAMES},
    ],
)
def test_the_labels_that_a_checkpoint_keeps(tmp_path: Path, kept: dict[str, Any]) -> None:
    path = tmp_path / "net.pth"
    torch.save({"state_dict": seeded(Plain).state_dict(), **kept}, path)
    model = opened(path)
    assert list(model.labels) == NAMES
    assert "The labels are those that the checkpoint keeps." in model.facts.notes
    assert opened(path, labels=list("abcde")).labels == tuple("abcde")
    torch.save({"state_dict": seeded(Plain).state_dict(), "classes": NAMES[:4], "names": 3}, path)
    assert opened(path).labels[0] == "class 0", "of another number"


def test_a_checkpoint_by_any_name(tmp_path: Path) -> None:
    for name in ("epoch3.tar", "best.model", "checkpoint"):
        torch.save({"epoch": 3, "model_state_dict": seeded(Plain).state_dict()}, tmp_path / name)
        agrees(opened(tmp_path / name))
    (tmp_path / "photos.tar").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ModelFileError, match=r"photos\.tar is no model file"):
        opened(tmp_path / "photos.tar")


def test_a_bare_pickle_is_refused_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(pickle.dumps(Setup(), protocol=4))
    with pytest.raises(UnsafeModelError, match="pickled Python objects"):
        opened(tmp_path / "net.pt")


def test_a_program_that_pytorch_cannot_run_is_one_sentence(tmp_path: Path) -> None:
    network = torch.nn.Module()
    network.meta = torch.nn.Conv2d(3, 4, 3)  # type: ignore[assignment]  # a name that PyTorch's graphs use themselves
    network.forward = lambda x: network.meta(x).mean((2, 3))  # type: ignore[method-assign]
    torch.export.save(torch.export.export(network, (torch.zeros(2, 3, 12, 12),)), tmp_path / "net.pt2")
    with pytest.raises(ModelFileError, match=r"PyTorch cannot run this exported program: .*meta.* Export it again"):
        picasso.load_model(tmp_path / "net.pt2")


def test_a_whole_pickled_network_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(seeded(Plain), path)
    with pytest.raises(UnsafeModelError, match="--trust"):
        picasso.load_model(path, preprocessing=SIZE)
    model = picasso.load_model(path, preprocessing=SIZE, trust=f"sha256:{file_digest(path)}")
    agrees(model)
    check_model(model)
    torch.save({"model": seeded(Plain), "epoch": 3}, path)
    agrees(picasso.load_model(path, preprocessing=SIZE, trust=file_digest(path)))


def test_a_pickled_network_whose_code_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "whole.pt"
    torch.save(seeded(Plain), path)
    monkeypatch.delattr("tests.models.networks.Plain")
    with pytest.raises(ModelFileError, match=r"whole\.pt needs code that is not here.*Plain"):
        picasso.load_model(path, preprocessing=SIZE, trust=file_digest(path))


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_several_files(tmp_path: Path, kind: str) -> None:
    state = seeded(Plain).state_dict()
    parts = [dict(list(state.items())[:4]), dict(list(state.items())[4:])]
    names = [f"model-0000{i}-of-00002.{kind}" for i in (1, 2)]
    for name, part in zip(names, parts, strict=True):
        save_file(part, tmp_path / name) if kind == "safetensors" else torch.save(part, tmp_path / name)
    table = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    index = tmp_path / f"model.{kind}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": table}))
    agrees(opened(index))
    (tmp_path / names[1]).unlink()
    with pytest.raises(ModelFileError, match="1 of the 2 files"):
        opened(index)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"weight_map": {"a": "../secret.safetensors"}}', "not beside it"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "not beside it"),
        ('{"weight_map": {"a": "x.safetensors.index.json"}}', "not beside it"),
        ('{"weight_map": {"a": 3}}', "no weight_map"),
        ("[1]", "no weight_map"),
        ("{", "is damaged"),
    ],
)
def test_an_index_names_files_beside_it_alone(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.safetensors.index.json"
    path.write_text(content)
    with pytest.raises(ModelFileError, match=said):
        opened(path)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**50]}},
        {"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "Q99", "shape": [1], "data_offsets": [0, 4]}},
    ],
)
def test_safetensors_that_promise_what_they_lack_are_damaged(tmp_path: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(ModelFileError, match="is damaged"):
        opened(path)


def test_a_header_longer_than_the_file_is_no_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}" + bytes(60))
    with pytest.raises(PicassoError, match="no PyTorch file"):
        opened(path)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"")
        with archive.open("net/data/0", "w", force_zip64=True) as entry:
            for _ in range(80):
                entry.write(bytes(2**20))
    with pytest.raises(ModelFileError, match=r"would unpack to 0\.1 GB"):
        opened(path)


@pytest.mark.parametrize("name", ["net.safetensors", "net.bin", "net.ckpt"])
def test_what_a_file_is_its_content_says(tmp_path: Path, name: str) -> None:
    state = seeded(Plain).state_dict()
    torch.save(state, tmp_path / "a.pt")
    save_file(state, tmp_path / "a.safetensors")
    for source in ("a.pt", "a.safetensors"):
        (tmp_path / name).write_bytes((tmp_path / source).read_bytes())
        agrees(opened(tmp_path / name))


def test_the_old_format_of_pickles(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(seeded(Plain).state_dict(), path, _use_new_zipfile_serialization=False)
    agrees(opened(path))


def test_weights_alone_are_read_for_others(tmp_path: Path) -> None:
    from picasso.models.torch.files import read_weights

    torch.save(seeded(Plain).state_dict(), tmp_path / "net.pt")
    assert "fc.weight" in read_weights(tmp_path / "net.pt")
    with pytest.raises(ModelFileError, match="There is no file of weights"):
        read_weights(tmp_path / "absent.pt")
    torch.save(seeded(Plain), tmp_path / "whole.pt")
    with pytest.raises(ModelFileError, match="a whole network"):
        read_weights(tmp_path / "whole.pt", trust={file_digest(tmp_path / "whole.pt")})


def test_the_adapter_claims_its_own_names_alone() -> None:
    for name in ("a.pt", "A.PTH", "b.pt2", "c.safetensors", "d.ckpt", "e.bin", "f.pth.tar", "g.safetensors.index.json"):
        assert adapter.claims(name), name
    for name in ("a.json", "b.tar", "c.keras", "d.onnx", "model.index.json", "demo:tank"):
        assert not adapter.claims(name), name
