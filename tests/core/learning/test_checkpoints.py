"""The order of checkpoints, what is none, and what is said of that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from picasso.core.errors import CanceledError, NotFoundError, NotSupportedError, SettingsError
from picasso.core.learning.checkpoints import JOURNAL, Trajectory, list_checkpoints
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing
from tests.training.runs import LABELS, SIDE, drawn, torch_network

READING = Preprocessing(size=(SIDE, SIDE))


def touched(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


def listed(folder: Path) -> list[tuple[str, str, int | None]]:
    return [(one.path.name, one.label, one.step) for one in list_checkpoints(folder)]


def test_files_are_ordered_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    touched(tmp_path, ["epoch=10-step=900.ckpt", "best.pt", "epoch=9-step=800.ckpt", "notes.txt", ".epoch=1.ckpt"])
    assert listed(tmp_path) == [
        ("epoch=9-step=800.ckpt", "epoch 9, step 800", 800),
        ("epoch=10-step=900.ckpt", "epoch 10, step 900", 900),
        ("best.pt", "best.pt", None),
    ]


@pytest.mark.parametrize(
    ("name", "label", "step"),
    [
        ("model_step_1200.safetensors", "step 1200", 1200),
        ("weights.07.weights.h5", "weights.07.weights.h5", None),
        ("ckpt-12.pth", "ckpt-12.pth", 12),
        ("e3.keras", "epoch 3", 3),
        ("frame5.pt", "frame5.pt", 5),
        ("iteration-40.bin", "step 40", 40),
    ],
)
def test_a_name_says_when_it_was_saved(tmp_path: Path, name: str, label: str, step: int | None) -> None:
    touched(tmp_path, [name])
    assert listed(tmp_path) == [(name, label, step)]


def test_the_journal_wins_and_may_be_cut_off(tmp_path: Path) -> None:
    touched(tmp_path, ["a.pt", "b.pt", "c3.pt"])
    lines = [{"file": "b.pt", "step": 5, "metrics": {"loss": 2, "note": "x"}}, {"file": "a.pt", "epoch": 7}]
    written = "\n".join(map(json.dumps, [{"file": "a.pt", "epoch": 1}, *lines]))
    (tmp_path / JOURNAL).write_text(written + '\n{"file": "c3.p')
    assert listed(tmp_path) == [("b.pt", "step 5", 5), ("a.pt", "epoch 7", 7), ("c3.pt", "c3.pt", 3)]
    assert list_checkpoints(tmp_path)[0].metrics == {"loss": 2.0}


def test_two_checkpoints_of_one_epoch_are_told_apart_by_their_steps(tmp_path: Path) -> None:
    touched(tmp_path, ["a.pt", "b.pt"])
    lines = [{"file": name, "epoch": 1, "step": step} for name, step in (("b.pt", 100), ("a.pt", 200))]
    (tmp_path / JOURNAL).write_text("\n".join(map(json.dumps, lines)))
    assert listed(tmp_path) == [("b.pt", "epoch 1, step 100", 100), ("a.pt", "epoch 1, step 200", 200)]
    assert {one.unit for one in list_checkpoints(tmp_path)} == {"step"}


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must name a folder"):
        list_checkpoints("")
    with pytest.raises(NotFoundError, match="There is no folder of checkpoints"):
        list_checkpoints(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match=r"holds no checkpoints\. Their names end in \.pt"):
        list_checkpoints(tmp_path)


def quiet(done: int, total: int, message: str) -> None:
    """Report nothing."""


def test_a_network_is_walked_along_and_foreign_files_are_counted(tmp_path: Path) -> None:
    networks = [torch_network(seed) for seed in range(3)]
    torch.save(networks[0].state_dict(), tmp_path / "epoch-1.pt")
    wrapped = {f"model.{name}": value for name, value in networks[1].state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 2}, tmp_path / "epoch-2.ckpt")
    save_file(networks[2].state_dict(), tmp_path / "epoch-3.safetensors")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "epoch-4.pt")
    torch.save(networks[0], tmp_path / "epoch-5.pt")  # a pickle of a whole network, which nobody trusts
    (tmp_path / "epoch-6.pt").write_bytes(b"cut off")
    model = load_model(torch_network(9), preprocessing=READING, labels=LABELS)
    trajectory = Trajectory(model, tmp_path, 10)
    x = drawn(4, 2)[0].astype("float32") / 255
    reached = list(trajectory.walk(quiet))
    assert [one.checkpoint.label for one in reached] == ["epoch 1", "epoch 2", "epoch 3"]
    for one, network in zip(reached, networks, strict=True):
        expected = load_model(network, preprocessing=READING, labels=LABELS).predict(x)
        assert (one.model.predict(x) == expected).all()
    assert [one.path.name for one in trajectory.unread] == ["epoch-4.pt", "epoch-5.pt", "epoch-6.pt"]
    said = trajectory.said()
    assert said.startswith(
        "3 files are no checkpoints of this network: epoch-4.pt: The weights in epoch-4.pt do not fit"
    )
    assert trajectory.last().checkpoint.label == "epoch 3"


def test_of_many_some_are_opened_at_even_distances(tmp_path: Path) -> None:
    touched(tmp_path, [f"epoch-{number}.pt" for number in range(21)])
    model = load_model(torch_network(), preprocessing=READING, labels=LABELS)
    trajectory = Trajectory(model, tmp_path, 5)
    assert [one.step for one in trajectory.chosen] == [0, 5, 10, 15, 20]
    assert trajectory.said() == "5 of 21 checkpoints are shown, at even distances."
    with pytest.raises(NotFoundError, match=r"None of the 5 files is a checkpoint of this network\. epoch-0\.pt: "):
        list(trajectory.walk(quiet))
    with pytest.raises(NotFoundError, match="None of the 5 files"):
        trajectory.last()


def test_a_cancel_passes_through(tmp_path: Path) -> None:
    torch.save(torch_network().state_dict(), tmp_path / "1.pt")

    def canceled(done: int, total: int, message: str) -> None:
        raise CanceledError("Canceled.")

    model = load_model(torch_network(), preprocessing=READING, labels=LABELS)
    with pytest.raises(CanceledError):
        list(Trajectory(model, tmp_path, 3).walk(canceled))


def test_a_model_without_parameters_says_so(tmp_path: Path) -> None:
    touched(tmp_path, ["1.pt"])
    model = load_model(lambda x: x.mean((1, 2)), preprocessing=READING, labels=("r", "g", "b"))
    with pytest.raises(NotSupportedError, match="do not take other parameters from a file"):
        list(Trajectory(model, tmp_path, 3).walk(quiet))
