"""What a long run will take is said before its first step, and that of a short one is not."""

from __future__ import annotations

import time

import numpy as np
import pytest

import picasso
from picasso.core import registry, runner
from picasso.core.errors import CanceledError
from picasso.core.estimate import Estimate
from picasso.core.fitting import read_settings
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture

PICTURE = np.zeros((8, 8, 3), np.uint8)


def slow() -> Model:
    """Return a model that takes two milliseconds for a picture, whatever the batch."""

    def network(x: np.ndarray) -> np.ndarray:
        time.sleep(0.002 * len(x))
        return x.mean(axis=(1, 2))

    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=8), labels=("a", "b", "c"))


def stop(messages: list[str], done: int, message: str) -> None:
    messages.append(message)
    raise CanceledError("Seen enough.")


def test_the_first_message_of_a_long_run_says_what_it_takes() -> None:
    messages: list[str] = []
    with pytest.raises(CanceledError):
        picasso.explain(
            slow(), PICTURE, "rise", masks=50_000, progress=lambda done, _, message: stop(messages, done, message)
        )
    assert messages[0].startswith("0 of 50000 masks: about 50,000 passes, some ")
    assert "at most 32 pictures at a time (0 MB)" in messages[0]


def test_who_listens_for_it_gets_it_with_a_time_that_fits() -> None:
    heard: list[Estimate] = []
    entry, messages = registry.visualization("rise"), list[str]()
    with pytest.raises(CanceledError):
        runner.run(
            slow(),
            read_picture(PICTURE),
            entry,
            read_settings(entry, {"masks": 50_000}),
            report=lambda done, _, message: stop(messages, done, message),
            announce=heard.append,
        )
    assert messages == ["0 of 50000 masks"]
    assert heard[0].passes == 50_000
    assert heard[0].seconds >= 50_000 * 0.002


def test_a_short_run_says_nothing() -> None:
    messages: list[str] = []
    picasso.explain(slow(), PICTURE, "rise", masks=32, progress=lambda _, __, message: messages.append(message))
    assert messages[0] == "0 of 32 masks"


def test_long_times_are_said_in_minutes() -> None:
    assert str(Estimate(2000, 40.4, 32, 73.5)).startswith("about 2,000 passes, some 40 s, at most 32 pictures")
    assert "some 15 min," in str(Estimate(100_000, 900.0, 32, 73.5))
