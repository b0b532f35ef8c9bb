"""From what a person has to a model: a file of their own, a callable, and everything that is no model."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import ConfigurationError, LabelsError, ModelFileError, ModelOutputError, PicassoError
from picasso.core.hooks import Head, ModelFile, Prediction
from picasso.core.model import Model
from picasso.core.opening import describe, load_factory

PICTURE = np.random.default_rng(3).integers(0, 256, (12, 10, 3)).astype(np.uint8)
SMALL = picasso.Preprocessing(size=8)

BRIGHTNESS = """
import numpy as np
from picasso.plugin import Head, ModelFile, Prediction, Preprocessing

def brightness(x):
    return np.stack([x.mean((1, 2, 3)) * 4, 2 - x.mean((1, 2, 3)) * 4], 1)
"""


def brightness(x: np.ndarray) -> np.ndarray:
    return np.stack([x.mean((1, 2, 3)) * 4, 2 - x.mean((1, 2, 3)) * 4], 1)


def written(folder: Path, text: str, name: str = "my_model.py") -> Path:
    path = folder / name
    path.write_text(BRIGHTNESS + text, encoding="utf-8")
    return path


def opened(folder: Path, body: str, **choices: Any) -> Model:
    """Open a class `Mine`, indented lines of whose body are given."""
    return picasso.load_model(f"{written(folder, 'class Mine(ModelFile):' + body)}:Mine", **choices)


LOADS = """
    preprocessing = Preprocessing(size=8)
    def load(self):
        return brightness
"""


# --- a file of one's own ------------------------------------------------------------------------------------------


def test_a_class_that_loads_a_callable(tmp_path: Path) -> None:
    model = opened(tmp_path, LOADS + "    labels = ['day', 'night']\n    head = 'sigmoid'")
    assert (model.name, model.labels, model.head) == ("Mine", ("day", "night"), Head.SIGMOID)
    assert model.preprocessing == SMALL
    assert model.files == (tmp_path / "my_model.py",)
    x = SMALL.apply(PICTURE)[None]
    np.testing.assert_allclose(model.predict(x), brightness(x), atol=1e-6)


def test_a_plain_class_without_the_base(tmp_path: Path) -> None:
    path = written(
        tmp_path, "class Mine:\n    preprocessing = Preprocessing(size=8)\n    def load(self): return brightness"
    )
    model = picasso.load_model(f"{path}:Mine")
    assert model.labels == ("class 0", "class 1")
    assert isinstance(model.hooks, ModelFile)
    assert model.input_shape == (8, 8, 3)


def test_what_is_said_when_opening_goes_before_what_the_class_says(tmp_path: Path) -> None:
    other = picasso.Preprocessing(size=5)
    model = opened(
        tmp_path,
        LOADS + "    labels = ['day', 'night']\n    head = Head.SIGMOID",
        labels=("a", "b"),
        head="none",
        preprocessing=other,
        name="other",
        batch_size=3,
    )
    assert (model.labels, model.head, model.preprocessing) == (("a", "b"), Head.NONE, other)
    assert (model.name, model.batch_size) == ("other", 3)


def test_what_is_left_open_of_the_preprocessing_stays_as_the_class_has_it(tmp_path: Path) -> None:
    body = LOADS.replace("(size=8)", "(size=8, mean=0.5, std=0.25)")
    model = opened(tmp_path, body, preprocessing=picasso.Preprocessing(size=5, std=0.5))
    assert model.preprocessing == picasso.Preprocessing(size=5, mean=0.5, std=0.5)


def test_the_hooks_of_the_class_are_used(tmp_path: Path) -> None:
    body = """
    labels = ["day", "night"]
    def load(self):
        return brightness
    def preprocess(self, pictures):
        return np.stack([p[:4, :4] / np.float32(100) for p in pictures])
    def postprocess(self, activation):
        return activation.reshape(-1, 1, 1, activation.shape[-1])
    def decode_prob(self, scores):
        return [[Prediction(1, "always night", 1.0)] for _ in scores]
"""
    model = opened(tmp_path, body)
    shot = picasso.explain(model, PICTURE, "class-probabilities", cache=False)
    assert isinstance(shot, picasso.Result)
    assert shot.predictions == (Prediction(1, "always night", 1.0),)
    assert model.input_shape == (4, 4, 3)
    np.testing.assert_allclose(model.preprocess([PICTURE])[0], PICTURE[:4, :4] / 100, atol=1e-6)
    assert model.postprocess(np.zeros((2, 7), np.float32)).shape == (2, 1, 1, 7)


def test_relative_paths_are_looked_up_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "labels.txt").write_text("day\nnight\n")
    (tmp_path / "net.dat").write_text("bright")
    monkeypatch.chdir(elsewhere)
    for said in ('"labels.txt"', '__import__("pathlib").Path("labels.txt")'):
        model = opened(tmp_path, LOADS + f"    labels = {said}")
        assert model.labels == ("day", "night")
        assert set(model.files) == {tmp_path / "my_model.py", tmp_path / "labels.txt"}
    with pytest.raises(ModelFileError, match=r"^net\.dat is no model file: it is a text file\."):
        opened(tmp_path, "\n    def load(self): return 'net.dat'")
    (elsewhere / "labels.txt").write_text("this\nfolder\n")
    assert opened(tmp_path, LOADS + '    labels = "labels.txt"').labels == ("this", "folder")


def test_the_digest_is_that_of_the_source_too(tmp_path: Path) -> None:
    first = opened(tmp_path, LOADS)
    assert first.digest == opened(tmp_path, LOADS).digest
    assert opened(tmp_path, LOADS + "    # changed").hooks.source_digest != first.hooks.source_digest


def test_what_a_model_file_imports_from_beside_itself_is_found_and_counts(tmp_path: Path) -> None:
    neighbor = tmp_path / "my_net.py"
    text = "\n    from my_net import gain" + LOADS
    neighbor.write_text("gain = 1\n")
    first = opened(tmp_path, text)
    neighbor.write_text("gain = 2\n")
    second = opened(tmp_path, text)
    assert first.digest != second.digest
    assert neighbor in second.files
    assert str(tmp_path) not in sys.path


def test_what_is_installed_below_the_folder_is_no_neighbor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A project with its virtual environment inside: what comes from there is imported once, like everything installed.
    site = tmp_path / ".venv" / "site-packages"
    site.mkdir(parents=True)
    (site / "installed_net.py").write_text("gain = 1\n")
    monkeypatch.syspath_prepend(str(site))
    text = "\n    from installed_net import gain" + LOADS
    first = opened(tmp_path, text)
    module = sys.modules["installed_net"]
    second = opened(tmp_path, text)
    assert sys.modules["installed_net"] is module
    assert first.files == second.files == (tmp_path / "my_model.py",)
    assert first.hooks.source_digest == second.hooks.source_digest


def test_an_edited_file_is_read_afresh(tmp_path: Path) -> None:
    assert opened(tmp_path, LOADS + "    labels = ['a', 'b']").labels == ("a", "b")
    assert opened(tmp_path, LOADS + "    labels = ['c', 'd']").labels == ("c", "d")


@pytest.mark.parametrize(
    ("text", "attribute", "said"),
    [
        ("class Mine: pass", "Mine", r"^Mine must override load\(\)\.$"),
        ("", "Mine", r"^\S+my_model\.py has no 'Mine'\. It holds: function brightness\.$"),
        ("class Nine: pass", "Mine", r"has no 'Mine'\. It holds: class Nine, function brightness\.$"),
        ("", "", r"^\S+my_model\.py has no ''\. It holds: function brightness\.$"),
        ("Mine = 3", "Mine", r"^Mine in \S+my_model\.py must be a class\. Give my_model\.py:MyClass\.$"),
        ("def Mine(): pass", "Mine", r"must be a class\. .* give the weights, with --factory \S+my_model.py:Mine\.$"),
        ("raise RuntimeError('boom')", "Mine", r"my_model\.py could not be imported: RuntimeError: boom$"),
        ("import absent_module", "Mine", "could not be imported: ModuleNotFoundError: No module named 'absent_module'"),
        ("def (:", "Mine", "could not be imported: SyntaxError: invalid syntax"),
        ("import sys; sys.exit(2)", "Mine", "could not be imported: SystemExit: 2"),
        (
            "class Mine:\n    def __init__(self, size): pass",
            "Mine",
            r"Mine\(\) in \S+my_model\.py raised TypeError: .*missing 1 required positional argument: 'size'",
        ),
        ("class Mine:\n    def __init__(self): exit(3)", "Mine", r"Mine\(\) in \S+ raised SystemExit: 3"),
        ("import enum\nclass Mine(enum.Enum):\n    A = 1", "Mine", r"Mine\(\) in \S+ raised "),
        (
            "class Mine:\n    def load(self): raise ValueError('boom')",
            "Mine",
            r"^Mine\.load\(\) raised ValueError: boom$",
        ),
        ("class Mine:\n    def load(self): raise SystemExit(3)", "Mine", r"^Mine\.load\(\) raised SystemExit: 3$"),
        ("class Mine:\n    def load(self): return None", "Mine", "This is no model that can be opened: NoneType"),
        ("class Mine:\n    def load(self): return 'absent'", "Mine", r"^There is no model 'absent'\."),
        ("class Mine:\n    def load(self): return 'a' * 5000", "Mine", "^There is no model 'aaa"),
        ("class Mine:\n    def load(self): return 'a\\0b'", "Mine", "^There is no model 'a"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_sentence(tmp_path: Path, text: str, attribute: str, said: str) -> None:
    with pytest.raises(ModelFileError, match=said) as error:
        picasso.load_model(f"{written(tmp_path, text)}:{attribute}")
    assert error.value.code == "bad-model"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", ["", ", size"])
def test_a_torch_module_is_told_from_a_class_that_loads_one(tmp_path: Path, arguments: str) -> None:
    path = tmp_path / "net.py"
    module = f"import torch\n\nclass Net(torch.nn.Module):\n    def __init__(self{arguments}): super().__init__()\n"
    path.write_text(module, "utf-8")
    with pytest.raises(ModelFileError, match=r"^Net in \S+net.py is a torch module, ") as error:
        picasso.load_model(f"{path}:Net")
    assert f"--factory {path}:Net" in error.value.hint


def test_a_python_file_without_a_class_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("raise RuntimeError\n\ndef make(): pass\n\nclass Net: pass\n\nclass _Part: pass\n", "utf-8")
    with pytest.raises(ModelFileError) as error:
        picasso.load_model(path)
    assert error.value.message == f"{path} is a Python file."
    assert error.value.hint == f"Name the class: {path}:CLASS. It holds: function make, class Net."
    path.write_text("def (:", "utf-8")
    with pytest.raises(ModelFileError, match="Name the class"):
        picasso.load_model(path)
    path.write_text("\n".join(f"def make_{index}(): pass" for index in range(30)), "utf-8")
    with pytest.raises(ModelFileError, match=r"function make_9, \.\.\.\.$"):
        picasso.load_model(path)


def test_an_error_of_picasso_keeps_its_kind(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "from picasso.plugin import NotSupportedError\nclass Mine:\n    def load(self): raise NotSupportedError('no')",
    )
    with pytest.raises(PicassoError, match=r"^no$") as error:
        picasso.load_model(f"{path}:Mine")
    assert error.value.code == "not-supported"


def test_control_c_while_a_file_is_imported_is_no_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        picasso.load_model(f"{written(tmp_path, 'raise KeyboardInterrupt')}:Mine")


# --- what is no model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.dat", b"This is a text.\n", "model.dat is no model file: it is a text file."),
        ("model.dat", b"", "model.dat is no model file: it is an empty file."),
        (
            "model.dat",
            b"version https://git-lfs.github.com/spec/v1\n",
            "model.dat is no model file: it is a pointer of Git LFS, whose file `git lfs pull` fetches.",
        ),
        ("model.dat", b"\0\1\2\3" * 9, "model.dat is no model file: it is an unknown binary format."),
        ("model.txt", b"print('hello')\n", "model.txt is no model file: it is a text file."),
        ("model.dat", b"\x89PNG\r\n\x1a\n", "model.dat is no model file: it is a PNG picture."),
        ("model.dat", b"\xff\xd8\xff\xe0", "model.dat is no model file: it is a JPEG picture."),
        ("model.dat", b"%PDF-1.7", "model.dat is no model file: it is a PDF document."),
        ("model.dat", b"PK\x03\x04" + bytes(40), "model.dat is no model file: it is a zip archive."),
        *(
            ("model.pkl", pickle.dumps({"a": 1}, protocol), "model.pkl is no model file: it is a Python pickle.")
            for protocol in range(2, 6)
        ),
        ("model.keras", b"This is a text.\n", "model.keras is no Keras model: it is a text file."),
        ("model.keras", b"", "model.keras is no Keras model: it is an empty file."),
    ],
)
def test_a_file_that_is_no_model_is_said_to_be_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for source in (path, str(path)):
        with pytest.raises(ModelFileError) as error:
            picasso.load_model(source)
        assert error.value.message == said
        assert error.value.hint


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("absent.dat", "There is no model 'absent.dat'."),
        ("absent.py:Mine", "There is no file absent.py."),
        ("absent:Mine", "There is no model 'absent:Mine'."),
        ("a" * 5000, f"There is no model '{'a' * 5000}'."),
        ("a\0b", "There is no model 'a\0b'."),
        ("a\0b.py:Mine", "There is no file a\0b.py."),
        (None, "This is no model that can be opened: NoneType."),
        (3, "This is no model that can be opened: int."),
        ([1], "This is no model that can be opened: list."),
        (int, "This is no model that can be opened: type."),
    ],
)
def test_what_cannot_be_opened_at_all(source: object, said: str) -> None:
    with pytest.raises(ModelFileError) as error:
        picasso.load_model(source)
    assert error.value.message == said


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"is a folder, not a model file\. Give a \.keras"):
        picasso.load_model(tmp_path)


def test_a_file_is_described_from_its_beginning_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.dat"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    monkeypatch.setattr(Path, "read_bytes", None)  # of a file of many gigabytes
    assert describe(path) == "an HDF5 file"


# --- choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["a", "b"], ("a", "b"), np.array(["a", "b"]), {0: "a", 1: "b"}, {"b": 1, "a": 0}])
def test_labels_in_every_form(labels: Any) -> None:
    assert picasso.load_model(brightness, labels=labels, preprocessing=SMALL).labels == ("a", "b")


@pytest.mark.parametrize("labels", [np.array(["a", "b"]), {0: "a", 1: "b"}])
def test_labels_of_a_class_in_every_form(tmp_path: Path, labels: Any) -> None:
    path = written(
        tmp_path, "class Mine:\n    preprocessing = Preprocessing(size=8)\n    def load(self): return brightness"
    )
    path.write_text(
        path.read_text() + f"\nMine.labels = np.{labels!r}"
        if isinstance(labels, np.ndarray)
        else path.read_text() + f"\nMine.labels = {labels!r}"
    )
    assert picasso.load_model(f"{path}:Mine").labels == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a"], "There are 1 labels, but the model has 2 classes."),
        (["a", "b", "c"], "There are 3 labels, but the model has 2 classes."),
        ([], "There are no labels."),
        ({}, "There are no labels."),
        (5, "Labels must be a list or a file. Got int."),
    ],
)
def test_labels_that_do_not_fit(labels: Any, said: str) -> None:
    with pytest.raises(LabelsError) as error:
        picasso.load_model(brightness, labels=labels, preprocessing=SMALL)
    assert error.value.message == said


def test_a_file_of_labels_belongs_to_the_models_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("day\nnight")
    for labels in (path, str(path)):
        model = picasso.load_model(brightness, labels=labels, preprocessing=SMALL)
        assert model.labels == ("day", "night")
        assert model.files == (path,)
    path.write_text("day\nnight\ndusk")
    with pytest.raises(LabelsError, match="There are 3 labels, but the model has 2 classes"):
        picasso.load_model(brightness, labels=path, preprocessing=SMALL)
    with pytest.raises(LabelsError, match=r"absent\.txt cannot be read"):
        picasso.load_model(brightness, labels=tmp_path / "absent.txt", preprocessing=SMALL)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"head": "soft"}, "head must be softmax, sigmoid or none. Got 'soft'."),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1. Got 0."),
        ({"batch_size": 2.5}, "batch_size must be a whole number, at least 1. Got 2.5."),
        ({"batch_size": "3"}, "batch_size must be a whole number, at least 1. Got '3'."),
        ({"preprocessing": {"size": 8}}, "preprocessing must be a Preprocessing. Got dict."),
    ],
)
def test_choices_that_make_no_sense(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        picasso.load_model(brightness, **({"preprocessing": SMALL} | choices))
    assert error.value.message == said


def test_what_a_model_is_called(tmp_path: Path) -> None:
    assert picasso.load_model(brightness, preprocessing=SMALL).name == "function"
    assert picasso.load_model(brightness, preprocessing=SMALL, name="mine").name == "mine"
    assert opened(tmp_path, LOADS).name == "Mine"


def test_a_callable_that_returns_no_scores() -> None:
    with pytest.raises(ModelOutputError, match=r"can be explained: output \(8, 8\)"):
        picasso.load_model(lambda x: x[..., 0], preprocessing=SMALL)


# --- factories ----------------------------------------------------------------------------------------------------


def test_a_factory_is_a_callable_or_a_function_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "def make():\n    return 41\nnumber = 3")
    assert load_factory(f"{path}:make")() == 41
    assert load_factory(dict) is dict
    for factory, said in (
        ("make", "A factory must be 'my_net.py:make'. Got 'make'."),
        (f"{path}:number", f"number in {path} is not callable."),
        (f"{path}:absent", f"{path} has no 'absent'."),
        ("absent.py:make", "There is no file absent.py."),
    ):
        with pytest.raises(ModelFileError) as error:
            load_factory(factory)
        assert error.value.message == said
    with pytest.raises(ModelFileError, match=r"has no 'mak'\. It holds: function make, function brightness\.$"):
        load_factory(f"{path}:mak")
    with pytest.raises(ModelFileError, match=r"Got '\S+my_model.py'\. It holds: function brightness, function make\.$"):
        load_factory(str(path))


def test_files_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    found = []
    for index, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        (folder / "gain.py").write_text(f"GAIN = {index + 1}\n", "utf-8")
        (folder / "mine.py").write_text(
            "from gain import GAIN\n\n\nclass Mine:\n    def load(self):\n"
            "        return lambda x: x.mean((1, 2)) * GAIN\n",
            "utf-8",
        )
        model = picasso.load_model(f"{folder / 'mine.py'}:Mine", preprocessing=SMALL, head="none")
        found.append(model.predict(np.ones((1, *model.input_shape), np.float32))[0, 0])
    assert found == [1, 2]
