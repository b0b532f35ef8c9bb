"""What a model sees of a picture, and back: from a changed view to the numbers that the network reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.errors import NotSupportedError
from picasso.core.facts import Task
from picasso.core.hooks import ModelFile
from picasso.core.interventions.intervention import Mask, Pixels
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array

SIDE = 256
"""Of the views of a model whose own `preprocess` hook reads whole pictures, unless its input is larger."""


class Eye:
    """Turns pictures into views of one size, in which properties are exchanged, and views into the network's input.

    A view is what the declared preprocessing leaves of a picture before it becomes numbers, so that the network reads
    exactly what was changed. A user's own `preprocess` hook takes pictures: its views are whole pictures, brought to
    one square size, and pass through the hook.

    Args:
        model: A classifier of still pictures in colors or grey.

    Raises:
        NotSupportedError: It is something else.
    """

    def __init__(self, model: Model) -> None:
        if model.facts.task is not Task.CLASSIFICATION or model.focus is not None:
            raise NotSupportedError(
                f"An audit needs a classifier of whole pictures. Got a network of {model.facts.task}.",
                "Audit a classifier; explain() shows what a segmenter or detector looks at.",
            )
        if model.facts.frames is not None:
            raise NotSupportedError("An audit needs still pictures; this model reads clips.")
        self.model = model
        self.hooked = type(model.hooks).preprocess is not ModelFile.preprocess
        if not self.hooked and model.preprocessing.color == "values":
            raise NotSupportedError(
                "An audit exchanges colors between pictures; this model reads the file's own values.",
                "Audit a model that reads 8-bit colors.",
            )
        height, width, _ = model.input_shape
        self.size = (max(SIDE, height, width),) * 2 if self.hooked else (height, width)

    def see(self, picture: Picture) -> Pixels:
        """Return what is seen of a picture, uint8 (h, w, 3)."""
        return self._view(picture.pixels)

    def see_mask(self, mask: Mask) -> Mask:
        """Return a mask of a picture's pixels as it lies on the view, bool (h, w)."""
        return self._view(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255)[..., 0] > 127

    def read(self, views: Sequence[Pixels] | NDArray[np.uint8]) -> Array:
        """Return what the network reads of views (n, h, w, 3): float32 (n, ...)."""
        if self.hooked:
            return self.model.preprocess([view.copy() for view in views])
        return self.model.preprocessing.normalize(np.stack(list(views)))

    def _view(self, pixels: Pixels) -> Pixels:
        if not self.hooked:
            return self.model.preprocessing.view(pixels)[0]
        height, width = self.size
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
