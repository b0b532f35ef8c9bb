"""An audit on a real cluster of two machines, one worker of which is killed; and what a worker refuses."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from picasso import load_model
from picasso.auditing.donors import Donors
from picasso.auditing.engines import Setup
from picasso.auditing.experiment import SHARD, Question, Shard
from picasso.auditing.ray_connection import connection, require_token
from picasso.auditing.ray_engine import Terms, Worker
from picasso.auditing.running import audit
from picasso.auditing.thresholds import TURNS
from picasso.cli import app
from picasso.core import registry
from picasso.core.dataset import read_dataset
from picasso.core.errors import ConfigurationError, DatasetError, MissingExtraError, ModelFileError
from tests.auditing import drawn

PROBES = 2
SPIED = '''
"""A model of tests/auditing/drawn.py that writes down what it is asked; one worker is killed in its second shard."""

import hashlib
import os
import signal
from pathlib import Path

import numpy as np

from picasso.plugin import ModelFile, Preprocessing

FOLDER = Path(__file__).parent
CALLS = {calls}


class Spied(ModelFile):
    labels = ("cross", "disc")
    head = "softmax"
    preprocessing = Preprocessing(size=48, scale=1 / 255)

    def load(self):
        calls = []

        def by_the_top(x):
            calls.append(len(x))
            with (FOLDER / "log").open("a") as log:
                log.write(f"{{os.getpid()}} {{hashlib.sha256(x.tobytes()).hexdigest()}}\\n")
            if len(calls) == CALLS and str(os.getpid()) != (FOLDER / "driver").read_text():
                try:
                    (FOLDER / "killed").open("x").write(str(os.getpid()))
                except FileExistsError:  # it was another
                    pass
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
            bright = 20 * (x[:, :12].mean((1, 2, 3), np.float64) - 0.5)
            return np.stack([-bright, bright], axis=1).astype(np.float32)

        return by_the_top
'''


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two machines with a processor each, which asks for a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    session = Path(made.head_node.get_session_dir_path())
    try:
        made.add_node(**small)
        assert len(_processes()) > 4  # else none would be seen that is left
        yield made.address
    finally:
        made.shutdown()
        left = _left("")
        shutil.rmtree(session, ignore_errors=True)
    assert not left


def _left(name: str) -> list[str]:
    """Return the names of the cluster's processes that begin so and do not end within 20 seconds."""
    ends = time.monotonic() + 20
    while (found := [one for one in _processes() if one.startswith(name)]) and time.monotonic() < ends:
        time.sleep(0.1)
    return found


def _processes() -> list[str]:
    """Return the names of the processes that were started with this cluster's token."""
    token, found = os.environ["RAY_AUTH_TOKEN"].encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if token in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [name for name in found if name]  # one that has ended, and of which nobody has taken note, has none


def test_a_killed_worker_costs_its_shard_and_the_numbers_are_those_of_a_local_run(cluster: str, tmp_path: Path) -> None:
    pictures = drawn.write(tmp_path / "pictures", 72, tied=1.0)
    (tmp_path / "driver").write_text(str(os.getpid()))
    model = f"{tmp_path / 'spied.py'}:Spied"
    asked_by: dict[str, int] = {}

    def count(done: int, total: int, message: str) -> None:
        asked_by[message] = len(_log(tmp_path))

    (tmp_path / "spied.py").write_text(SPIED.format(calls=0))
    local = audit(model, pictures, interventions=("bands",), maps=False, report=count).document()
    calls_of_a_shard = (asked_by["Trying everything"] - asked_by["Looking at the pictures"]) * SHARD // 72
    probe = _log(tmp_path)[0][1]
    (tmp_path / "log").unlink()
    # The file is another now, and nothing else of the findings.
    (tmp_path / "spied.py").write_text(SPIED.format(calls=PROBES + calls_of_a_shard * 3 // 2))
    local["record"]["model"]["digest"] = load_model(model).digest

    words = ["audit", model, str(pictures), "--with", "bands", "--no-maps", "--no-resume", "--json"]
    result = CliRunner().invoke(app, [*words, "--engine", "ray", "--ray-address", cluster])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {**json.loads(json.dumps(local)), "files": []}

    calls = [(pid, digest) for pid, digest in _log(tmp_path) if pid != os.getpid()]
    workers = Counter(pid for pid, digest in calls if digest == probe)
    assert len(workers) >= 2, "the killed one and another; a third may come too late"
    assert max(workers.values()) == PROBES, "each opens the model once"
    assert not _left("ray::Worker")
    killed = int((tmp_path / "killed").read_text())
    asked = Counter(digest for _, digest in calls if digest != probe)
    twice = {digest for digest, count in asked.items() if count > 1}
    begun = [digest for pid, digest in calls if pid == killed and digest != probe][calls_of_a_shard:]
    assert len(asked) == TURNS * 72 // SHARD * calls_of_a_shard
    assert len(begun) == calls_of_a_shard // 2
    assert twice == set(begun), "of the shard in which the worker was killed, and of no other"


def _log(folder: Path) -> list[tuple[int, str]]:
    """Return who was asked what, in order."""
    lines = [line.split() for line in (folder / "log").read_text().splitlines()]
    return [(int(pid), digest) for pid, digest in lines]


# --- what a worker refuses ----------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Setup, Terms]:
    """What a worker is given, for a model in a file and pictures in a folder, both named from this folder."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("top.py").write_text(SPIED.format(calls=0))
    Path("driver").write_text("")
    drawn.write(Path("pictures"), 8, tied=1.0)
    dataset = read_dataset("pictures")
    entry = registry.intervention("bands")
    bands = entry.load()()
    questions = [Question(what, "bands", f"{entry.digest}:1", bands.role) for what in bands.properties((48, 48), ())]
    setup = Setup("top.py:Spied", {}, (0, 1), dataset, dataset.examples, (0, 1) * 4, None, True, tuple(questions), 0)
    model = load_model("top.py:Spied")
    return setup, Terms(model.digest, "", {"numpy": metadata.version("numpy")}, tmp_path, token=False)


def test_a_worker_measures_as_this_process_does(opened: tuple[Setup, Terms], monkeypatch: pytest.MonkeyPatch) -> None:
    setup, terms = opened
    shard = Shard((0,), (0, 1), (Donors((2,), (1,)),))
    here = setup.experiment(load_model("top.py:Spied")).measure(shard)
    worker = Worker()
    monkeypatch.chdir("/")  # relative paths lead from where the audit was started
    worker.open(setup, terms)
    np.testing.assert_array_equal(worker.measure(shard).margin, here.margin)
    assert not np.isnan(here.margin).any()


def test_a_worker_says_what_it_cannot_read(opened: tuple[Setup, Terms]) -> None:
    setup, terms = opened
    worker = Worker()
    worker.open(setup, terms)
    gone = setup.examples[1].source.path
    gone.unlink()
    assert worker.measure(Shard((0,))).margin.shape == (1, 1, 1)
    with pytest.raises(DatasetError, match=f"cannot read {gone.absolute()}"):
        worker.measure(Shard((0,), (0,), (Donors((2,), (1,)),)))
    Path("top.py").unlink()
    with pytest.raises(ModelFileError, match=r"The worker on .* cannot open the model: There is no file.*every worker"):
        worker.open(setup, terms)


def test_a_worker_refuses_what_would_change_the_numbers(opened: tuple[Setup, Terms]) -> None:
    setup, terms = opened
    with pytest.raises(ConfigurationError, match=r"has numpy .*, this audit 0\.1"):
        Worker().open(setup, replace(terms, versions={"numpy": "0.1"}))
    with pytest.raises(ConfigurationError, match=r"finds another model under 'top\.py:Spied'"):
        Worker().open(setup, replace(terms, digest="other"))
    other = replace(setup.questions[0], digest="other:1")
    with pytest.raises(ConfigurationError, match="has another intervention 'bands'"):
        Worker().open(replace(setup, questions=(other,)), terms)
    with pytest.raises(ConfigurationError, match="asks for no token"):
        Worker().open(setup, replace(terms, token=True))


# --- tokens -------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokenless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without a token."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "")  # so that what is set below is unset again
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "ray://head.example:10001", "auto"])
def test_no_cluster_is_used_without_a_token(
    address: str, tokenless: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="RAY_AUTH_MODE=token and RAY_AUTH_TOKEN on every machine"):
        require_token(address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    pictures = drawn.write(tmp_path / "pictures", 72, tied=1.0)
    with pytest.raises(ConfigurationError, match=f"at {address} would be used without a token"):
        audit("demo:tank-proxy", pictures, match={"cross": "tank", "disc": "decoy"}, engine="ray")


def test_a_token_turns_authentication_on_and_its_absence_does_no_harm_on_one_computer(
    tokenless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("127.0.0.1:6379", "ray://localhost:10001"):
        require_token(address)
    assert "RAY_AUTH_MODE" not in os.environ
    (tokenless / ".ray").mkdir()
    (tokenless / ".ray" / "auth_token").write_text("secret")
    require_token("10.0.0.1:6379")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ConfigurationError, match="without a token"):
        require_token("10.0.0.1:6379")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tokenless: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"picasso\[ray\]"), connection("127.0.0.1:6379"):
        pass


def test_a_token_that_comes_too_late_is_said(monkeypatch: pytest.MonkeyPatch, tokenless: Path) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    program = (
        "import ray; from picasso.auditing.ray_connection import connection; connection('10.0.0.1:6379').__enter__()"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Ray was imported before RAY_AUTH_MODE=token was set" in result.stderr


def test_a_live_model_cannot_be_sent(tmp_path: Path) -> None:
    pictures = drawn.write(tmp_path, 72, tied=1.0)
    with pytest.raises(ConfigurationError, match="live one is here alone"):
        audit(drawn.model(drawn.by_the_top), pictures, engine="ray")
