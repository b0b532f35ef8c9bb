"""Models that take too much memory or too long to open end their own process, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picasso.service.records import ModelState, State
from picasso.service.service import Service
from tests.service.conftest import configure, ended, request, wait_until, write

GREEDY = """
    import time
    import numpy as np
    from picasso.plugin import ModelFile, Preprocessing

    class Greedy(ModelFile):
        preprocessing = Preprocessing(size=16)

        def load(self):
            held = []
            while True:
                held.append(np.ones(20_000_000 // 8))
                time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose models may take 0.6 GB, and 8 seconds to open."""
    folder = tmp_path_factory.mktemp("tight")
    greedy = write(folder / "greedy.py", GREEDY)
    configuration = configure(folder, names=("Toy", "Sleepy"), memory=0.6, opening_seconds=8)
    more = (*configuration.models, configuration.models[0].model_copy(update={"source": f"{greedy}:Greedy"}))
    made = Service(configuration.model_copy(update={"models": more}))
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("name", "says"), [("Greedy", "took more memory than it may"), ("Sleepy", "for longer than it may")]
)
def test_what_goes_beyond_a_limit_is_failed_with_the_reason(tight: Service, name: str, says: str) -> None:
    tight.jobs.open_model(name)
    wait_until(lambda: tight.model(name).state is ModelState.FAILED)
    error = tight.model(name).record.error
    assert error is not None
    assert says in error.message
    over = ended(tight, tight.jobs.submit(request(tight, 90)))
    assert over.state is State.DONE


def test_memory_is_read_where_the_system_tells_it() -> None:
    """In a process of its own: one that has run much takes the bytes from what it holds already."""
    code = (
        "from picasso.service.limits import taken; print(taken()); held = b'1' * 200_000_000; print(taken(), len(held))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[1]) - int(said[0]) > 150_000_000


def test_limits_are_positive(tmp_path: Path) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        configure(tmp_path, memory=0)
