"""The catalogue, read by a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picasso.core import registry
from picasso.core.errors import NotFoundError, PluginError, SettingsError
from picasso.core.fitting import read_settings
from picasso.service.catalog import Catalog

from .conftest import PLUGIN, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "plugins" / "behave.py", PLUGIN)
    return tmp_path / "plugins"


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    made = Catalog((folder,))
    yield made
    made.close()


def test_it_lists_what_the_registry_finds(catalog: Catalog, folder: Path) -> None:
    found = catalog.all()
    assert list(found) == list(registry.visualizations([folder]))
    behave = found["behave"]
    assert (behave.title, behave.description, behave.origin) == ("Behave", "Does what the test says.", "folder")
    assert behave.settings["properties"]["steps"] == {"default": 3, "title": "Steps", "type": "integer"}
    assert behave.defaults == {"steps": 3, "pause": 0.0, "act": "", "once": "", "text": "hello"}
    assert not behave.attributes
    assert found["partial-occlusion"].attributes
    assert found["partial-occlusion"].needs == ("predict",)


def test_plugins_are_not_imported_here(catalog: Catalog) -> None:
    before = set(sys.modules)
    catalog.reload()
    assert not {name for name in set(sys.modules) - before if name.startswith("picasso")}


def test_dropped_edited_and_deleted_files_are_noticed(catalog: Catalog, folder: Path) -> None:
    digest = catalog.get("behave").digest
    write(folder / "behave_too.py", PLUGIN.replace('name = "behave"', 'name = "behave-too"'))
    assert catalog.get("behave-too").title == "Behave"
    write(folder / "behave.py", PLUGIN.replace('title = "Behave"', 'title = "Behave yourself"'))
    assert catalog.get("behave").title == "Behave yourself"
    (folder / "behave.html").write_text("<p>{{ x }}</p>", "utf-8")
    assert catalog.get("behave").template == "<p>{{ x }}</p>"
    assert catalog.get("behave").digest != digest
    (folder / "behave.py").unlink()
    with pytest.raises(NotFoundError, match=r"Did you mean behave-too\?$"):
        catalog.get("behave")
    with pytest.raises(NotFoundError, match="Known: "):
        catalog.get("nonsense")


def test_broken_plugins_are_listed_with_the_reason(catalog: Catalog, folder: Path) -> None:
    sources = {
        "absent": ("import nothing_of_that_name", "nothing_of_that_name"),
        "syntax": ("x = (", "SyntaxError"),
        "empty": ("x = 1", "exactly one visualization"),
        "quits": ("import sys; sys.exit(3)", "SystemExit"),
        "named": (PLUGIN, "must be 'named'"),
        "needy": (PLUGIN.replace('name = "behave"', 'name = "needy"').replace("steps: int = 3", "steps: int"), "steps"),
    }
    for name, (source, _) in sources.items():
        write(folder / f"{name}.py", source)
    found = catalog.all()
    for name, (_, says) in sources.items():
        assert says in found[name].error
        with pytest.raises(PluginError, match="Mend"):
            catalog.get(name)
    assert catalog.read_settings("behave", {"steps": 4})["steps"] == 4


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
    ],
)
def test_a_plugin_that_crashes_harms_no_other(catalog: Catalog, folder: Path, source: str, says: str) -> None:
    write(folder / "broken.py", source)
    found = catalog.all()
    assert says in found["broken"].error
    assert found["behave"].error == ""
    assert "partial-occlusion" in found
    assert catalog.read_settings("behave", {"steps": 4})["steps"] == 4
    assert catalog.read_settings("partial-occlusion", {"window": "5px"})["window"] == "5px"


def test_a_wrong_setting_is_refused_as_in_python(catalog: Catalog) -> None:
    wrong: list[dict[str, object]] = [{"window": 3.0}, {"window": "long"}, {"windo": 3}, {"fill": "pink"}, {"grid": 0}]
    for values in wrong:
        with pytest.raises(SettingsError) as here:
            read_settings(registry.visualization("partial-occlusion", ()), values)
        with pytest.raises(SettingsError) as there:
            catalog.read_settings("partial-occlusion", values)
        assert (there.value.message, there.value.hint) == (here.value.message, here.value.hint)


def test_settings_are_completed(catalog: Catalog) -> None:
    assert catalog.read_settings("behave", {}) == catalog.get("behave").defaults
    assert catalog.read_settings("behave", {"text": "x"}) == catalog.get("behave").defaults | {"text": "x"}


def test_closed_means_closed(catalog: Catalog) -> None:
    catalog.close()
    with pytest.raises(PluginError, match="closed"):
        catalog.all()
