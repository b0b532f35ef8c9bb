"""The other commands: inspect, visualizations, new, --version, and how fast they start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import HALVES, Shell, files_in

FRAMEWORKS = ("torch", "keras", "tensorflow", "jax")


def test_version(shell: Shell) -> None:
    assert shell("--version").out.startswith("picasso 0.")


def test_help_shows_examples(shell: Shell) -> None:
    for words in (["explain"], ["inspect"], ["visualizations"], ["new", "visualization"], ["new", "model"]):
        assert f"picasso {' '.join(words)}" in shell(*words, "--help").out


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = "import picasso.cli, sys; print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for name in (*FRAMEWORKS, "numpy", "PIL", "pydantic", "fastapi", "sqlalchemy"):
        assert f"'{name}'" not in loaded


def test_listing_loads_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom picasso.cli import app\n"
        "try: app(['visualizations'])\nexcept SystemExit: pass\n"
        f"assert not set({FRAMEWORKS!r}) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_inspect_shows_what_was_found(shell: Shell) -> None:
    answer = shell("inspect", HALVES)
    assert answer.code == 0
    for words in ("24 x 32 pixels, 3 channels", "softmax", "left · right", "do not show their layers"):
        assert words in answer.out
    facts = shell("inspect", HALVES, "--json").json
    assert facts["input"] == {"height": 24, "width": 32, "channels": 3}
    assert facts["labels"] == ["left", "right"]
    fits = {item["name"]: item for item in facts["visualizations"]}
    assert fits["partial-occlusion"]["fits"]
    assert not fits["grad-cam"]["fits"]
    assert "needs activations, gradients" in fits["grad-cam"]["reason"]


def test_visualizations_are_listed_with_their_settings(shell: Shell) -> None:
    assert "partial-occlusion" in shell("visualizations").out
    one = shell("visualizations", "partial-occlusion").out
    for words in ("--window", "20%", "grey | black | white | mean | blur", "arXiv:1311.2901"):
        assert words in one
    document = shell("visualizations", "partial-occlusion", "--json").json
    assert document["settings"]["properties"]["fill"]["default"] == "grey"
    assert document["needs"] == ["predict"]
    assert shell("visualizations", "nonsense").code == 2


def test_a_broken_plugin_is_listed_with_its_traceback(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "home/visualizations"
    folder.mkdir(parents=True)
    (folder / "oh_no.py").write_text("1 / 0\n", "utf-8")
    answer = shell("visualizations")
    assert answer.code == 0
    assert "oh-no" in answer.out
    assert "ZeroDivisionError" in answer.err
    listed = {item["name"]: item for item in shell("visualizations", "--json").json}
    assert "ZeroDivisionError" in listed["oh-no"]["error"]
    assert shell("explain", HALVES, "photo.png", "--with", "oh-no").code == 1


def test_a_new_visualization_works_at_once(shell: Shell, tmp_path: Path) -> None:
    answer = shell("new", "visualization", "fun-viz")
    assert answer.code == 0, answer.err
    assert files_in(tmp_path / "home/visualizations") == ["fun_viz.py"]
    assert str(tmp_path / "home/visualizations/fun_viz.py") in answer.out
    result = shell("explain", HALVES, "photo.png", "--with", "fun-viz", "--cells", "4", "--json")
    assert result.code == 0, result.out
    assert result.json["results"][0]["visualization"]["title"] == "Fun viz"


def test_a_new_visualization_with_a_template(shell: Shell, tmp_path: Path) -> None:
    assert shell("new", "visualization", "FunViz", "--template").code == 0
    assert files_in(tmp_path / "home/visualizations") == ["fun_viz.html", "fun_viz.py"]
    listed = shell("visualizations", "fun-viz", "--json").json
    assert listed["has_template"]
    assert shell("explain", HALVES, "photo.png", "--with", "fun-viz", "--radius", "2").code == 0


def test_nothing_is_overwritten_unless_forced(shell: Shell, tmp_path: Path) -> None:
    shell("new", "visualization", "fun-viz")
    file = tmp_path / "home/visualizations/fun_viz.py"
    file.write_text("# mine", "utf-8")
    again = shell("new", "visualization", "fun-viz")
    assert again.code == 2
    assert "exists already" in again.err
    assert file.read_text("utf-8") == "# mine"
    assert shell("new", "visualization", "fun-viz", "--force").code == 0
    assert file.read_text("utf-8") != "# mine"


@pytest.mark.parametrize("name", ["1st", "../evil", "a b!", "", "class"])
def test_bad_names_are_refused(shell: Shell, tmp_path: Path, name: str) -> None:
    assert shell("new", "visualization", name).code == 2
    assert files_in(tmp_path / "home") == [] if (tmp_path / "home").exists() else True


def test_the_name_of_a_built_in_is_taken(shell: Shell) -> None:
    answer = shell("new", "visualization", "grad-cam")
    assert answer.code == 2
    assert "taken" in answer.err


def test_a_new_model_works_at_once(shell: Shell, tmp_path: Path) -> None:
    assert shell("new", "model", "tank-detector").code == 0
    facts = shell("inspect", "tank_detector.py:TankDetector", "--json").json
    assert facts["labels"] == ["dark", "bright"]
    assert shell("explain", "tank_detector.py:TankDetector", "photo.png", "--window", "32px").code == 0


def test_a_new_configuration_can_be_read(shell: Shell, tmp_path: Path) -> None:
    import tomllib

    from picasso.service.configuration import read_configuration

    assert shell("new", "config").code == 0
    assert [model.known_as() for model in read_configuration(tmp_path / "picasso.toml").models] == ["tanks"]
    text = (tmp_path / "picasso.toml").read_text("utf-8")
    # Every line that is commented out is right, too.
    lines = [line.removeprefix("# ") if "= " in line or line.startswith("# [") else line for line in text.splitlines()]
    full = tmp_path / "full.toml"
    full.write_text("\n".join(lines), "utf-8")
    assert tomllib.loads(full.read_text("utf-8"))["model"][0]["preprocessing"]["size"] == 224
    assert read_configuration(full).token


def test_an_interrupt_ends_with_130(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from picasso.core import runner

    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupt)
    answer = shell("explain", HALVES, "photo.png")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_plugins_of_the_project_are_found(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "shared_view.py").write_text(
        "from picasso.plugin import Settings, Text, Visualization\n\n\n"
        "class SharedView(Visualization[Settings]):\n"
        '    """What the team shares."""\n\n'
        '    name, title = "shared-view", "Shared view"\n\n'
        "    def run(self, ctx, sample, settings):\n"
        '        yield Text(id="words", title="Words", text="ours")\n',
        "utf-8",
    )
    (tmp_path / "picasso.toml").write_text('plugins = "ours"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    assert "shared-view" in shell("visualizations").out
    assert shell("visualizations", "shared-view").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain",), "Missing argument"),
        (("compare", HALVES), "Missing argument"),
        (("compare", HALVES, "photo.png", "--traget", "left"), "No such option: --traget"),
        (("explain", HALVES, "photo.png", "--top", "0"), "Invalid value"),
        (("inspect",), "Missing argument"),
        (("expalin",), "No such command"),
    ],
)
def test_words_that_cannot_be_read_are_a_document_too(shell: Shell, words: tuple[str, ...], said: str) -> None:
    answer = shell(*words, "--json")
    assert answer.code == 2
    assert answer.err == ""
    error = answer.json["error"]
    assert error["code"] == "bad-settings"
    assert said in error["message"]
    assert error["hint"].endswith("--help")
    text = shell(*words)
    assert (text.code, text.out) == (2, "")
    assert "Usage" in text.err


def test_a_network_of_pytorch_is_told_how_it_is_opened(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n", "utf-8")
    assert "Give its weights, with --factory my.py:Net" in shell("inspect", "my.py:Net").err
    assert "Name the class: my.py:CLASS. It holds: class Net." in shell("inspect", "my.py").err
