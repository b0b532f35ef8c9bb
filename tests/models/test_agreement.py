"""The same real weights in PyTorch and Keras give the same maps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.models.squeezenet_maps import maps


def test_squeezenet_with_imagenet_weights_gives_the_same_maps(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "keras.npz"
    command = [sys.executable, "-m", "tests.models.squeezenet_maps", str(shared_data), "keras", str(out)]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found, expected = np.load(out), maps(shared_data, "pt")
    assert set(found.files) == set(expected)
    assert found["best"] == expected["best"] == "logit", "the softmax inside the Keras file is looked through"
    assert expected["probability"] > 0.7
    for name, values in expected.items():
        if values.ndim == 2 or values.ndim == 3:
            assert np.abs(found[name] - values).max() <= 1e-5 * np.abs(values).max(), name
