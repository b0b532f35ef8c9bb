"""Masks that are taken in: kept as they were drawn, and as long as their pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from picasso.core.errors import NotFoundError
from picasso.service.masks import kept_mask, mask_file
from picasso.service.service import Service


@pytest.mark.parametrize("side", [1, 23, 64])
def test_what_is_read_is_what_was_drawn(service: Service, side: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), side, np.uint8)).save(buffer, "PNG")
    mask = np.random.default_rng(side).random((side, side)) < 0.5
    mask[0, 0] = True
    record = service.masks.adopt(service.pictures.adopt(buffer.getvalue(), "a.png"), mask_file(mask), "demo:tanks")
    place = kept_mask(service.artifacts, record.digest)
    assert place.mask is not None
    np.testing.assert_array_equal(place.mask, mask)
    assert record.name == "demo:tanks"
    assert record.area == mask.mean()
    assert service.store.mask(record.picture, record.digest) == record
    assert record.digest in service.store.referred_artifacts()
    with pytest.raises(NotFoundError, match="There is no mask"):
        service.store.mask("0" * 64, record.digest)
