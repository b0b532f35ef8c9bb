"""From kinds of regions and what a person says of them to where the object is in every picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from picasso.core.intervention import Seen


def confirm(seen: Seen, objects: Sequence[int]) -> Seen:
    """Return a picture with its object known.

    Args:
        seen: A picture whose regions are known.
        objects: Which kinds of regions are the object, as a person says.

    Raises:
        ValueError: The picture's regions are not known, or no kind is named.
    """
    if seen.regions is None:
        raise ValueError(f"The regions of {seen.name} must be known before one of them is confirmed as the object.")
    if not objects:
        raise ValueError("At least one kind of region must be the object.")
    return replace(seen, object=np.isin(seen.regions, objects))
