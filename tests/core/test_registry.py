"""Plug-ins that appear, change, collide and break; none of them takes the others with it."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from pathlib import Path

import pytest

import picasso
from picasso.core import registry
from picasso.core.errors import NotFoundError, PluginError
from picasso.core.registry import Entry
from picasso.core.visualization import Family
from tests.core.plugins import MAP, drop, running

BUILT_IN = {
    "class-probabilities", "deconvnet", "expected-gradients", "grad-cam", "gradient-times-input",
    "guided-backpropagation", "guided-grad-cam", "guided-integrated-gradients", "integrated-gradients",
    "partial-occlusion", "saliency-map", "smooth-grad", "xrai",
}  # fmt: skip


def found(folder: Path) -> dict[str, Entry]:
    return registry.visualizations([folder])


def broken(folder: Path, text: str, name: str = "bright.py") -> Entry:
    path = drop(folder, text, name)
    entry = found(folder)[registry.kebab(path.stem)]
    assert (entry.kind, entry.path, entry.digest) == (None, path, "")
    assert set(found(folder)) >= BUILT_IN
    return entry


# --- what is found ------------------------------------------------------------------------------------------------


def test_the_built_in_ones_come_first_and_are_whole(tmp_path: Path) -> None:
    drop(tmp_path, MAP)
    entries = found(tmp_path)
    assert set(entries) >= BUILT_IN
    assert list(entries)[-1] == "bright"
    for name in BUILT_IN:
        entry = entries[name]
        assert entry.load().name == entry.name == name
        assert (entry.origin, entry.error) == ("built-in", "")
        assert entry.path.name == name.replace("-", "_") + ".py"
        assert entry.digest == hashlib.sha256(entry.path.read_bytes()).hexdigest()


def test_families_stand_together_in_their_order_and_broken_ones_last(tmp_path: Path) -> None:
    drop(
        tmp_path,
        "from picasso.plugin import Family\n" + MAP.replace("title =", "family = Family.GRADIENTS\n    title ="),
    )
    drop(tmp_path, "1 / 0", "away.py")
    entries = found(tmp_path)
    assert list(entries)[-1] == "away"
    families = [entry.load().family for name, entry in entries.items() if name != "away"]
    assert families == sorted(families, key=list(Family).index)
    gradients = [name for name, entry in entries.items() if name != "away" and entry.load().family is Family.GRADIENTS]
    assert gradients[-1] == "bright"
    assert Family.OTHERS not in families


def test_a_dropped_file_appears_with_class_settings_and_digest(tmp_path: Path) -> None:
    assert "bright" not in found(tmp_path)
    path = drop(tmp_path, MAP)
    entry = found(tmp_path)["bright"]
    kind = entry.load()
    assert (entry.origin, entry.path, kind.title) == ("folder", path, "Brightness")
    assert kind.settings_type.__name__ == "BrightSettings"
    assert kind.settings_type.read({"gain": 2}).gain == 2  # type: ignore[attr-defined]
    assert kind.description() == "Show how bright each pixel is.  Not how the model sees it."
    assert entry.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    assert "bright" not in found(tmp_path)


def test_the_folder_is_that_of_picassos_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    drop(tmp_path / "visualizations", MAP)
    assert registry.plugin_folder() == tmp_path / "visualizations"
    assert registry.visualizations()["bright"].origin == "folder"
    assert registry.visualization("bright").load().title == "Brightness"
    monkeypatch.setenv("PICASSO_HOME", "~/somewhere")
    assert registry.home() == Path.home() / "somewhere"
    monkeypatch.delenv("PICASSO_HOME")
    assert registry.home().name == "picasso"


def test_a_folder_that_is_absent_holds_nothing(tmp_path: Path) -> None:
    assert set(found(tmp_path / "absent")) == set(found(tmp_path))


def test_an_edited_plugin_is_new_code_with_a_new_digest(tmp_path: Path) -> None:
    drop(tmp_path, MAP)
    before = found(tmp_path)["bright"]
    same = found(tmp_path)["bright"]
    assert same.digest == before.digest
    drop(tmp_path, MAP.replace('"Brightness"', '"Lightness"'))
    after = found(tmp_path)["bright"]
    assert (before.load().title, after.load().title) == ("Brightness", "Lightness")
    assert after.digest != before.digest


def test_a_template_beside_it_belongs_to_its_digest(tmp_path: Path) -> None:
    path = drop(tmp_path, MAP)
    bare = found(tmp_path)["bright"]
    path.with_suffix(".html").write_text("<p>{{ größe }}</p>", encoding="utf-8")
    with_template = found(tmp_path)["bright"]
    assert (bare.template, with_template.template) == ("", "<p>{{ größe }}</p>")
    assert with_template.digest != bare.digest
    path.with_suffix(".html").write_text("<p>{{ size }}</p>", encoding="utf-8")
    assert found(tmp_path)["bright"].digest not in (bare.digest, with_template.digest)


def test_a_template_that_is_no_text_breaks_its_plugin(tmp_path: Path) -> None:
    drop(tmp_path, MAP).with_suffix(".html").write_bytes(b"\xff\xfe")
    entry = found(tmp_path)["bright"]
    assert entry.kind is None
    assert "UnicodeDecodeError" in entry.error


def test_files_that_begin_with_an_underscore_or_a_dot_are_left_alone(tmp_path: Path) -> None:
    for name in ("_shared.py", ".hidden.py", "__init__.py", "notes.txt"):
        drop(tmp_path, "raise RuntimeError", name)
    assert found(tmp_path).keys() == found(tmp_path / "absent").keys()


def test_what_a_plugin_file_may_hold_besides_its_class(tmp_path: Path) -> None:
    text = """
    from __future__ import annotations
    from dataclasses import dataclass
    from picasso.plugin import *
    from picasso.visualizations.saliency_map import SaliencyMap

    @dataclass
    class Helper:
        size: int = 3

    class Base(Visualization[Settings]):
        def help(self): ...

    class Bright(Base):
        name, title = "bright", "Brightness"
        def run(self, ctx, sample, settings):
            yield Text(id="a", title="b", text=str(Helper()))

    Alias = Bright
    """
    path = tmp_path / "bright.py"
    path.write_text(textwrap.dedent(text))
    kind = found(tmp_path)["bright"].load()
    assert kind.__name__ == "Bright"


@pytest.mark.parametrize(
    ("stem", "name"), [("partial_occlusion", "partial-occlusion"), ("Fun Viz__2", "fun-viz-2"), ("a-b", "a-b")]
)
def test_the_file_names_the_plugin(stem: str, name: str) -> None:
    assert registry.kebab(stem) == name


# --- what is broken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def (:", "SyntaxError: invalid syntax"),
        ("\0", "SyntaxError|ValueError"),
        ("import absent_module", "ModuleNotFoundError: No module named 'absent_module'"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit('usage: ...')", "SystemExit: usage: ..."),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(): f()\nf()", "RecursionError"),
        ("", "PluginError: The file must define exactly one visualization. Got 0."),
        (MAP + MAP.replace("class Bright(", "class Second("), "exactly one visualization. Got 2."),
        (MAP.replace('"bright"', '"dark"'), "PluginError: Bright.name must be 'bright', as its file. Got 'dark'."),
        (MAP.replace('title = "Brightness"', ""), "PluginError: Bright must have a title, a string."),
        (MAP.replace('"Brightness"', "3"), "PluginError: Bright must have a title, a string."),
        (MAP.replace('name = "bright"', ""), "PluginError: Bright must have a name, a string."),
        (MAP.replace("def attribute", "def atribute"), "PluginError: Bright must define attribute()."),
        (running("pass").replace("def run", "def ran"), "PluginError: Bright must define run()."),
        (
            MAP.replace("title =", 'needs = "predict"\n    title ='),
            "PluginError: Bright.needs must be a frozenset of Capability. Got 'predict'.",
        ),
        (
            MAP.replace("title =", 'needs = {"telepathy"}\n    title ='),
            "PluginError: Bright.needs must be a frozenset of Capability. Got {'telepathy'}.",
        ),
        (
            MAP.replace("title =", 'family = "Mine"\n    title ='),
            "PluginError: Bright.family must be a Family. Got 'Mine'.",
        ),
        ("class Mine(Settings):\n    target: absent = 3", "NameError: name 'absent' is not defined"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_traceback(tmp_path: Path, text: str, last: str) -> None:
    drop(tmp_path, MAP.replace('"bright"', '"good"'), "good.py")
    entry = broken(tmp_path, text)
    said = entry.error.strip().splitlines()[-1]
    assert any(part in said for part in last.split("|")), entry.error
    assert found(tmp_path)["good"].load().title == "Brightness"
    with pytest.raises(PluginError) as error:
        entry.load()
    assert error.value.message == f"The visualization 'bright' is broken: {said}"
    assert error.value.hint == f"Mend {entry.path}."
    with pytest.raises(PluginError, match="is broken"):
        registry.visualization("bright", [tmp_path]).load()


def test_the_traceback_names_the_plugins_file_and_line(tmp_path: Path) -> None:
    entry = broken(tmp_path, "x = 1\ny = x / 0")
    assert f'File "{entry.path}", line 6' in entry.error


def test_a_broken_plugin_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    broken(tmp_path, "raise RuntimeError")
    assert not {name for name in set(sys.modules) - before if "bright" in name}


def test_a_folder_named_like_a_plugin_is_broken_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "bright.py").mkdir()
    entry = found(tmp_path)["bright"]
    assert entry.kind is None
    assert "bright.py" in entry.error


def test_control_c_while_a_plugin_is_imported_is_no_fault_of_the_plugin(tmp_path: Path) -> None:
    drop(tmp_path, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path)


def test_an_entry_without_traceback_says_so() -> None:
    with pytest.raises(PluginError, match="is broken: no reason known"):
        Entry("bright", "folder", Path("bright.py"), "", None).load()


# --- names --------------------------------------------------------------------------------------------------------


def test_a_built_in_name_cannot_be_taken(tmp_path: Path) -> None:
    drop(tmp_path, MAP.replace('"bright"', '"grad-cam"'), "grad_cam.py")
    entries = found(tmp_path)
    assert entries["grad-cam"].origin == "built-in"
    assert registry.visualization("grad-cam", [tmp_path]).origin == "built-in"
    second = entries["grad-cam (grad_cam.py)"]
    assert (second.kind, second.origin, second.name) == (None, "folder", "grad-cam (grad_cam.py)")
    assert second.error == "The name 'grad-cam' is taken by grad_cam.py."


def test_three_of_one_name_are_all_listed(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    paths = [drop(folder, MAP) for folder in folders]
    entries = registry.visualizations(folders)
    assert entries["bright"].path == paths[0]
    assert {entry.path for name, entry in entries.items() if name.startswith("bright (")} == set(paths[1:])
    assert entries["bright"].load().title == "Brightness"


def test_two_spellings_of_one_name_collide(tmp_path: Path) -> None:
    for name in ("very_bright.py", "very-bright.py"):
        drop(tmp_path, MAP.replace('"bright"', '"very-bright"'), name)
    assert {"very-bright", "very-bright (very_bright.py)"} <= set(found(tmp_path))


def test_an_unknown_name_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    drop(tmp_path, MAP)
    with pytest.raises(NotFoundError) as error:
        registry.visualization("nonsense", [tmp_path])
    assert error.value.message == "There is no visualization 'nonsense'."
    assert set(error.value.hint.removeprefix("Known: ").removesuffix(".").split(", ")) >= {"bright", *BUILT_IN}


@pytest.mark.parametrize(("word", "meant"), [("bricht", "bright"), ("GradCAM", "grad-cam"), ("grad_cam", "grad-cam")])
def test_a_misspelled_name_is_asked_after_and_not_taken(tmp_path: Path, word: str, meant: str) -> None:
    drop(tmp_path, MAP)
    with pytest.raises(NotFoundError) as error:
        registry.visualization(word, [tmp_path])
    assert error.value.hint == f"Did you mean {meant}?"


def test_one_is_loaded_without_importing_the_others(tmp_path: Path) -> None:
    drop(tmp_path, "raise KeyboardInterrupt", "other.py")
    drop(tmp_path, MAP)
    assert registry.visualization("bright", [tmp_path]).load().title == "Brightness"


# --- installed packages -------------------------------------------------------------------------------------------


def install(folder: Path, module: str, points: str) -> None:
    """Lay out an installed distribution, as an installer would."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[picasso.visualizations]\n{points}\n")


def test_an_installed_package_brings_visualizations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    install(
        site,
        "brightpack_a",
        "bright = brightpack_a.bright\ndim = brightpack_a.dim\ngone = brightpack_a.gone\nno = nowhere_at_all",
    )
    path = drop(site / "brightpack_a", MAP)
    (site / "brightpack_a" / "__init__.py").touch()
    drop(site / "brightpack_a", "raise SystemExit(3)", "dim.py")
    (path.with_suffix(".html")).write_text("<p></p>")
    monkeypatch.syspath_prepend(str(site))
    entries = found(tmp_path / "folder")
    entry = entries["bright"]
    assert (entry.origin, entry.path, entry.template) == ("package", path, "<p></p>")
    assert entry.load().title == "Brightness"
    assert entry.digest == hashlib.sha256(path.read_bytes() + b"<p></p>").hexdigest()
    assert entries["dim"].error.strip().endswith("SystemExit: 3")
    assert entries["gone"].error.strip().endswith("ModuleNotFoundError: No module named 'brightpack_a.gone'")
    assert entries["no"].error.strip().endswith("ModuleNotFoundError: No module named 'nowhere_at_all'")
    assert all(entries[name].origin == "package" for name in ("dim", "gone", "no"))
    assert registry.visualization("bright", []).load() is entry.load()
    # A plug-in of the user's own folder does not replace it.
    drop(tmp_path / "folder", MAP)
    assert found(tmp_path / "folder")["bright"].origin == "package"
    assert found(tmp_path / "folder")["bright (bright.py)"].origin == "folder"


def test_a_package_whose_import_ends_the_program_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "brightpack_b", "bright = brightpack_b.bright")
    drop(tmp_path / "brightpack_b", "raise SystemExit(4)", "__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = found(tmp_path / "folder")["bright"]
    assert entry.origin == "package"
    assert entry.error.strip().endswith("SystemExit: 4")


def test_installed_code_that_is_edited_keeps_the_digest_of_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "brightpack_c", "bright = brightpack_c")
    path = drop(tmp_path, MAP, "brightpack_c.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = found(tmp_path / "folder")["bright"]
    drop(tmp_path, MAP.replace('"Brightness"', '"Lightness"'), "brightpack_c.py")
    after = found(tmp_path / "folder")["bright"]
    assert after.load().title == "Brightness"
    assert after.digest == before.digest != hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_broken_opener_leaves_the_others_their_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "brightpack_d", "")
    points = tmp_path / "brightpack_d-1.0.dist-info" / "entry_points.txt"
    points.write_text("[picasso.models]\nbright = brightpack_d\n")
    drop(tmp_path, "raise SystemExit(5)", "brightpack_d.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=picasso.Preprocessing(size=4)).labels
    with pytest.raises(PluginError) as error:
        picasso.load_model(3)
    assert error.value.message == "What opens 'bright' models is broken: SystemExit: 5"
    assert error.value.hint == "Mend or uninstall brightpack_d."


def test_openers_begin_with_the_demo_and_cover_every_source() -> None:
    names = [module.__name__ for module in registry.openers()]
    assert names[0] == "picasso.demo.opener"
    assert set(names) >= {"picasso.models.torch.opener", "picasso.models.keras.opener", "picasso.models.function"}
