"""What each place of a picture looks like beside the rest of its height, at a scale relative to the picture's size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.auditing.regions.frame import frame_of
from picasso.auditing.regions.patches import Floats
from picasso.core.interventions.intervention import Mask, Pixels

SIDE = 64
"""Pixels of the longer side at which looks are taken: fine enough for a thing of a tenth of the side, and as quick for
large pictures as for small ones."""
_COLORS = (1.0, 2.0, 4.0)
"""Standard deviations of the Gaussians over which colors are averaged, pixels of that size. With wider ones a look
would say where it is."""
_FINE = (0.7, 1.0, 2.0, 3.0)
_AROUND = (2.0, 4.0)
"""Edges of each of these finenesses are averaged over each of these surroundings."""
_HEIGHT = 4.0
"""Rows over which a height reaches, standard deviation."""


def look(view: Pixels) -> tuple[Floats, Mask]:
    """Return what each place looks like, and where that is known.

    Colors are what they differ by from the mean of their height: a sky is no more than sky then, bright or overcast,
    and of a meadow only what stands on it is left. How strong edges are is taken as it is.

    Args:
        view: uint8 RGB (h, w, 3).

    Returns:
        Looks (rows, columns, 25), the longer side `SIDE` or that of a smaller picture, and bool (rows, columns):
        False on a border of one color, which looks like nothing.
    """
    small = _small(view)
    frame = frame_of(small)
    known = ~frame.mask((small.shape[0], small.shape[1]))
    inside = _looks(frame.inside(small))
    looks = np.zeros((*known.shape, inside.shape[2]), np.float32)
    frame.inside(looks)[...] = inside
    return looks, known


def _small(view: Pixels) -> Pixels:
    height, width = view.shape[:2]
    share = SIDE / max(height, width)
    if share >= 1:
        return view
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.BOX))


def _looks(view: NDArray[np.uint8]) -> Floats:
    from scipy.ndimage import gaussian_filter as blur
    from skimage import color

    lab = np.asarray(color.rgb2lab(view), np.float32)
    usual = blur(lab.mean(axis=1, keepdims=True), (_HEIGHT, 0, 0))
    found = [blur(lab, (wide, wide, 0)) - usual for wide in _COLORS]
    for fine in _FINE:
        rises = [blur(lab[..., 0], fine, order=order) ** 2 for order in ((0, 1), (1, 0))]
        found += [np.sqrt(blur(rise, wide))[..., None] for wide in _AROUND for rise in rises]
    return np.concatenate(found, axis=2)
