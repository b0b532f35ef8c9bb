"""The same real weights in PyTorch and Keras give the same maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.models.squeezenet_maps import maps


def test_squeezenet_with_imagenet_weights_gives_the_same_maps(shared_data: Path) -> None:
    found, expected = maps(shared_data, "keras"), maps(shared_data, "pt")
    assert set(found) == set(expected)
    assert found["best"] == expected["best"] == "logit", "the softmax inside the Keras file is looked through"
    assert expected["probability"] > 0.7
    for name, values in expected.items():
        if values.ndim == 2 or values.ndim == 3:
            assert np.abs(found[name] - values).max() <= 1e-5 * np.abs(values).max(), name
