"""Labels that nobody gave: from a file beside the model, or ImageNet's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.labels import found as found_labels
from picasso.core.labels.found import beside, imagenet

X = np.zeros((1, 4, 4, 3), np.float32)
SIZE = picasso.Preprocessing(size=4)


def columns(count: int, bias: float = 0.0) -> Any:
    """A function of so many columns."""
    weights = np.random.default_rng(0).normal(size=(3, count)).astype(np.float32)
    return lambda x: x.mean((1, 2)) @ weights + bias


def model_file(folder: Path, count: int) -> str:
    """A user's own model file, beside which labels lie."""
    (folder / "my_model.py").write_text(
        f"import numpy as np\nimport picasso\n\n\nclass Mine:\n    preprocessing = picasso.Preprocessing(size=4)\n\n"
        f"    def load(self):\n        return lambda x: x.mean((1, 2)) @ np.arange({3 * count}).reshape(3, {count})\n"
    )
    return f"{folder / 'my_model.py'}:Mine"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "tank\ndecoy\n"),
        ("net.labels.txt", "tank\ndecoy\n"),
        ("net_labels.txt", "0 tank\n1 decoy\n"),
        ("class_names.txt", "tank\ndecoy\n"),
        ("classes.txt", "tank\ndecoy\n"),
        ("class_indices.json", '{"decoy": 1, "tank": 0}'),
        ("class_to_idx.json", '{"decoy": 1, "tank": 0}'),
        ("idx_to_class.json", '{"0": "tank", "1": "decoy"}'),
        ("index_to_name.json", '{"0": "tank", "1": "decoy"}'),
        ("label2id.json", '{"decoy": 1, "tank": 0}'),
        ("obj.names", "tank\ndecoy\n"),
        ("imagenet_class_index.json", '{"0": ["n1", "tank"], "1": ["n2", "decoy"]}'),
        ("config.json", '{"id2label": {"0": "tank", "1": "decoy"}}'),
        ("metadata.json", '{"labels": ["tank", "decoy"]}'),
        ("data.yaml", "names: [tank, decoy]\n"),
        ("label_map.pbtxt", "item { id: 1 name: 'tank' }\nitem { id: 2 name: 'decoy' }\n"),
    ],
)
def test_labels_beside_a_model_are_found(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"model")
    (tmp_path / name).write_text(text)
    found = beside(path, 2)
    assert found is not None
    assert found[0] == ("tank", "decoy")
    assert found[1].startswith(f"Labels were found in {name}.")
    assert found[2] == tmp_path / name


def test_labels_of_another_number_and_unreadable_ones_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"model")
    (tmp_path / "labels.txt").write_text("only one\n")
    (tmp_path / "labels.json").write_bytes(b"\xff\xff")
    (tmp_path / "config.json").write_text('{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}')
    (tmp_path / "metadata.json").write_text('{"a": 0, "b": 1}')
    (tmp_path / "data.yaml").mkdir()
    assert beside(path, 2) is None
    (tmp_path / "classes.txt").write_text("tank\ndecoy\n")
    found = beside(path, 2)
    assert found is not None
    assert found[2].name == "classes.txt"


def test_labels_in_a_models_folder_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "labels.txt").write_text("background\ntank\ndecoy\n")
    found = beside(folder, 2)
    assert found is not None
    assert found[:2] == (
        ("tank", "decoy"),
        "Labels were found in labels.txt. 3 labels for 2 classes: the first, 'background', is left out.",
    )


def test_a_model_opens_with_the_labels_beside_it(tmp_path: Path) -> None:
    import torch

    from tests.models.networks import Plain, seeded

    torch.save(seeded(Plain).state_dict(), tmp_path / "net.pt")
    digest = picasso.load_model(tmp_path / "net.pt", factory=Plain, preprocessing=picasso.Preprocessing(size=12)).digest
    (tmp_path / "net.labels.txt").write_text("a\nb\nc\nd\ne\n")
    model = picasso.load_model(tmp_path / "net.pt", factory=Plain, preprocessing=picasso.Preprocessing(size=12))
    assert model.labels == ("a", "b", "c", "d", "e")
    assert "Labels were found in net.labels.txt." in model.facts.notes
    assert tmp_path / "net.labels.txt" in model.files
    assert model.digest != digest
    given = picasso.load_model(
        tmp_path / "net.pt", factory=Plain, preprocessing=picasso.Preprocessing(size=12), labels=list("vwxyz")
    )
    assert given.labels == tuple("vwxyz")
    assert tmp_path / "net.labels.txt" not in given.files


def test_a_live_function_takes_no_labels_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert picasso.load_model(columns(2), preprocessing=SIZE).labels == ("class 0", "class 1")
    assert picasso.load_model(model_file(tmp_path, 2)).labels == ("class 0", "class 1")


def test_a_thousand_classes_are_taken_for_imagenets() -> None:
    model = picasso.load_model(columns(1000), preprocessing=SIZE)
    assert model.labels[0] == "tench"
    assert len(model.labels) == 1000
    assert model.facts.notes[-1] == "The 1000 classes are taken for ImageNet-1k's; give labels if they are not."
    more = picasso.load_model(columns(1001), preprocessing=SIZE)
    assert more.labels[:2] == ("background", "tench")
    assert picasso.load_model(columns(1000), preprocessing=SIZE, head="sigmoid").labels[0] == "class 0"
    assert picasso.load_model(columns(999), preprocessing=SIZE).labels[0] == "class 0"
    own = picasso.load_model(columns(1000), preprocessing=SIZE, labels=[f"my {i}" for i in range(1000)])
    assert own.labels[0] == "my 0"
    wide = picasso.load_model(columns(1001), preprocessing=SIZE, labels=[f"my {i}" for i in range(1000)])
    assert wide.labels[:2] == ("background", "my 0")
    assert wide.facts.notes[-1] == "1000 labels for 1001 classes: class 0 is taken for the background."


def test_imagenets_names_come_from_an_installed_package_that_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {
        name: Path(found_labels.importlib.util.find_spec(name).origin).parent for name in ("timm", "torchvision")
    }
    by_package = [found_labels._timm(folders["timm"]), found_labels._torchvision(folders["torchvision"])]
    for names in by_package:
        assert len(names) == 1000
        assert [names[i].partition(",")[0] for i in (0, 1, 847, 999)] == ["tench", "goldfish", "tank", "toilet tissue"]
    found_labels._imagenet.cache_clear()
    imported = {name for name in ("timm", "torchvision") if name in sys.modules}
    assert imagenet(1000) is not None
    assert {name for name in ("timm", "torchvision") if name in sys.modules} == imported
    monkeypatch.setattr(found_labels.importlib.util, "find_spec", lambda name: None)
    found_labels._imagenet.cache_clear()
    assert imagenet(1000) is None
    found_labels._imagenet.cache_clear()


def test_packages_whose_data_changed_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "_meta.py").write_text("_OTHER = 1\n")
    assert found_labels._torchvision(tmp_path) == ()
    with pytest.raises(OSError, match="imagenet_synset"):
        found_labels._timm(tmp_path)


def test_real_label_files(shared_data: Path) -> None:
    from picasso.core.labels.reading import fit_labels, read_labels

    background = read_labels(shared_data / "mobilenet_v1" / "labels.txt")
    assert len(background) == 1001
    assert len(fit_labels(background, 1000)[0]) == 1000
    assert json.dumps(background)
