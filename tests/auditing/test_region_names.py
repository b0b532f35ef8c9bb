import numpy as np
import pytest
from skimage.color import rgb2lab

from picasso.auditing.regions.names import color_name, different


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((40, 90, 35), "dark green"),
        ((30, 100, 255), "bright blue"),
        ((220, 30, 30), "bright red"),
        ((110, 70, 35), "dark brown"),
        ((250, 230, 40), "bright yellow"),
    ],
)
def test_colors_have_plain_names(rgb: tuple[int, int, int], name: str):
    assert color_name(rgb2lab(np.array(rgb) / 255)) == name


def test_names_become_different():
    assert different(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
