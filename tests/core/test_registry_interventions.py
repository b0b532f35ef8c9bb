"""Interventions are found like visualizations: built in, and in the user's folder; a broken one harms only itself."""

from pathlib import Path

import numpy as np
import pytest

from picasso.core import registry
from picasso.core.errors import NotFoundError, PluginError
from picasso.core.interventions.intervention import Seen

GREEN = """
import numpy as np
from picasso.plugin import Intervention, Property

class GreenChannel(Intervention):
    '''The green channel comes from another picture.'''

    name = "green-channel"
    title = "Green channel"

    def properties(self, size, regions):
        return (Property("green-channel", "Green channel", "the green channel"),)

    def take(self, what, to, source, rng):
        view = to.view.copy()
        view[..., 1] = source.view[..., 1]
        return view
"""


def drop(folder: Path, text: str, name: str = "green_channel.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_users_own_file_is_found_in_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    path = drop(tmp_path / "interventions", GREEN)
    entries = registry.interventions()
    assert list(entries)[-1] == "green-channel"
    assert len(entries) > 20
    entry = entries["green-channel"]
    assert (entry.origin, entry.path, entry.error) == ("folder", path, "")
    assert registry.intervention("green-channel").digest == entry.digest != ""
    made = entry.load()()
    black, white = (Seen("picture", np.full((4, 4, 3), tone, np.uint8), 0) for tone in (0, 255))
    found = made.take(made.properties((4, 4), ())[0], black, white, np.random.default_rng(0))
    assert found is not None
    assert found[0, 0].tolist() == [0, 255, 0]
    assert "green-channel" not in registry.visualizations()


def test_the_digest_follows_the_file(tmp_path: Path) -> None:
    drop(tmp_path, GREEN)
    before = registry.intervention("green-channel", [tmp_path]).digest
    drop(tmp_path, GREEN + "# changed\n")
    assert registry.intervention("green-channel", [tmp_path]).digest != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("", "exactly one intervention. Got 0."),
        (GREEN.replace("    def take", "    def took"), "GreenChannel must define take()."),
        (GREEN.replace('"green-channel"', '"other"', 1), "name must be 'green-channel', as its file. Got 'other'."),
        (GREEN.replace("    title =", "    role = 'property'\n    title ="), "role must be a Role. Got 'property'."),
        (GREEN.replace("    title =", "    needs = {'object'}\n    title ="), "needs must be a frozenset of Need."),
    ],
)
def test_a_broken_one_is_listed_with_its_traceback(tmp_path: Path, text: str, said: str) -> None:
    drop(tmp_path, text)
    entries = registry.interventions([tmp_path])
    assert len(entries) > 20
    broken = entries["green-channel"]
    assert broken.kind is None
    assert said in broken.error
    with pytest.raises(PluginError, match="The intervention 'green-channel' is broken"):
        broken.load()
    assert all(entry.kind is not None for name, entry in entries.items() if name != "green-channel")


def test_a_taken_name_and_an_unknown_one_are_said(tmp_path: Path) -> None:
    drop(tmp_path, GREEN.replace("green-channel", "context"), "context.py")
    entries = registry.interventions([tmp_path])
    assert entries["context"].origin == "built-in"
    assert "The name 'context' is taken" in entries["context (context.py)"].error
    with pytest.raises(NotFoundError, match="There is no intervention 'nonsense'"):
        registry.intervention("nonsense", [tmp_path])
