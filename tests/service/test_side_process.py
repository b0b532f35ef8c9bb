"""The process beside the web process keeps within its limits, and nobody waits for it without end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picasso.core.errors import PluginError
from picasso.service.side_process import SideProcess

from .conftest import wait_until


def hold(megabytes: int) -> int:
    """Take memory, look after a while whether the process is still there, and say how much was taken."""
    held = bytearray(os.urandom(1024)) * (megabytes * 1000)
    time.sleep(3)
    return len(held)


@pytest.fixture
def made() -> Iterator[Callable[..., SideProcess]]:
    """Make side processes that are closed in the end."""
    all_of_them: list[SideProcess] = []

    def make(**limits: float) -> SideProcess:
        all_of_them.append(SideProcess("The reader", **limits))
        return all_of_them[-1]

    yield make
    for one in all_of_them:
        one.close()


def test_one_that_takes_too_much_memory_ends_and_the_next_answers(made: Callable[..., SideProcess]) -> None:
    process = made(memory=0.4)
    assert process.ask(hold, 10, seconds=60) == 10 * 1024 * 1000
    with pytest.raises(PluginError, match=r"The reader failed: its process took more memory than it may \('memory' in"):
        process.ask(hold, 600, seconds=60)
    assert process.ask(os.getpid, seconds=60) > 0


@pytest.mark.parametrize(
    ("question", "argument", "says"),
    [(os._exit, 3, "exit code 3"), (signal.raise_signal, signal.SIGSEGV, r"crashed \(SIGSEGV\)")],
)
def test_one_that_ends_says_why(
    made: Callable[..., SideProcess], question: Callable[[int], object], argument: int, says: str
) -> None:
    with pytest.raises(PluginError, match=says):
        made().ask(question, argument, seconds=60)


def test_a_question_that_never_ends_is_broken_off(made: Callable[..., SideProcess]) -> None:
    process, began = made(), time.monotonic()
    with pytest.raises(PluginError, match="The reader took more than 2 seconds"):
        process.ask(time.sleep, 600, seconds=2)
    assert time.monotonic() - began < 30


def test_nobody_waits_for_others_without_end(made: Callable[..., SideProcess]) -> None:
    process = made(waiting=1.0)
    process.ask(os.getpid, seconds=60)  # it has started
    answers: list[object] = []
    other = threading.Thread(target=lambda: answers.append(process.ask(time.sleep, 6, seconds=60)))
    other.start()

    def busy() -> bool:
        if process._lock.acquire(blocking=False):
            process._lock.release()
            return False
        return True

    wait_until(busy)
    began = time.monotonic()
    with pytest.raises(PluginError, match="The reader has been busy for 1 seconds"):
        process.ask(os.getpid, seconds=60)
    assert 0.9 < time.monotonic() - began < 4
    other.join()
    assert answers == [None]
    assert process.ask(os.getpid, seconds=60) > 0


def test_whoever_has_the_turn_asks_as_often_as_they_like(made: Callable[..., SideProcess]) -> None:
    process = made(waiting=0.2)
    with process.turn():
        assert process.ask(os.getpid, seconds=60) == process.ask(os.getpid, seconds=60)


def test_it_has_the_environment_of_now_and_no_framework(
    made: Callable[..., SideProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICASSO_TEST_WORD", "then")
    assert made().ask(os.getenv, "PICASSO_TEST_WORD", seconds=60) == "then"
    monkeypatch.setenv("PICASSO_TEST_WORD", "now")
    assert made().ask(os.getenv, "PICASSO_TEST_WORD", seconds=60) == "now"
    monkeypatch.delenv("PICASSO_TEST_WORD")
    process = made()
    assert process.ask(os.getenv, "PICASSO_TEST_WORD", seconds=60) is None
    loaded = "[name for name in ('torch', 'tensorflow', 'keras', 'jax') if name in __import__('sys').modules]"
    assert process.ask(eval, loaded, seconds=60) == []


def test_it_ends_with_the_server(tmp_path: Path) -> None:
    file = tmp_path / "server.py"
    file.write_text(
        """
import os, time
from picasso.service.side_process import SideProcess

if __name__ == "__main__":
    process = SideProcess("The reader")
    print(process.ask(os.getpid, seconds=60), flush=True)
    process.ask(time.sleep, 600, seconds=600)
""",
        "utf-8",
    )
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        os.kill(child, 0)
        server.kill()
        server.stdout.close()

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text("ascii").split()[2] == "Z"
        except FileNotFoundError:
            pass
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(gone, 20)
