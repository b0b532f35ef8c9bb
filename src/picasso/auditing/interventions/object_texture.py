"""The texture of the object."""

from collections.abc import Sequence

import numpy as np
from scipy import fft

from picasso.plugin import (
    WEIGHTS,
    Intervention,
    Need,
    Pixels,
    Plane,
    Property,
    Role,
    Seen,
    blend,
    luminance,
    smoothed,
    surface,
)

_COARSE = 0.15
"""Standard deviation of the Gaussian whose rest is detail, as a share of the square root of the object's area: what
is coarser than most of the object is its shading."""
_ROUNDING = 0.29
"""Standard deviation of what rounding to whole tones leaves: noise as strong gives plain paint a phase."""
_LEAST = 16
"""Pixels well inside of an object, at least: a wire has no texture to give or to take."""


class ObjectTexture(Intervention):
    """Detail of the object gets the strength of another's, at each frequency and in each direction.

    Stripes, grain and weave are where a spectrum is strong; where parts and edges lie is in its phase, which stays
    (Oppenheim and Lim 1981, The importance of phase in signals). So it is done to the luminance and to both colors.
    """

    name = "object-texture"
    title = "Texture of the object"
    role = Role.SURFACE
    on_object = True
    needs = frozenset({Need.OBJECT})
    version = 3

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return (Property("object-texture", "Texture of the object", "the object's texture"),)

    def take(self, what: Property, to: Seen, source: Seen, rng: np.random.Generator) -> Pixels | None:
        alpha, there = surface(to), surface(source)
        if alpha is None or there is None or min(alpha.sum(), there.sum()) < _LEAST:
            return None
        box, detail = to.once(_detail)
        _, other = source.once(_detail)
        inner = alpha[box][..., None]
        size = [fft.next_fast_len(max(pair), real=True) for pair in zip(detail.shape[:2], other.shape[:2], strict=True)]
        rough = detail + inner * rng.normal(0, _ROUNDING, detail.shape).astype(np.float32)
        own, wanted = fft.rfft2(rough, size, (0, 1)), np.abs(fft.rfft2(other, size, (0, 1)))
        made = fft.irfft2(own * wanted / np.maximum(np.abs(own), 1e-6), size, (0, 1))
        made = made[: detail.shape[0], : detail.shape[1]] * (inner > 0)
        # As strong per pixel of the object: a larger one is not a rougher one.
        made *= _strength(other, there) / np.maximum(_strength(made, alpha), 1e-6)
        changed = to.view.astype(np.float32)
        changed[box] += _mixed(made - detail)
        return blend(to.view, changed, alpha)


def _detail(seen: Seen) -> tuple[tuple[slice, slice], Plane]:
    """Return the box around an object, and its parted tones there less their slow changes, 0 beside it, (h, w, 3)."""
    mask, alpha = seen.object, surface(seen)
    assert mask is not None
    assert alpha is not None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    tones, weight = _parted(seen.view[box]), mask[box].astype(np.float32)[..., None]
    sigma = _COARSE * float(np.sqrt(mask.sum()))
    coarse = smoothed(tones * weight, sigma) / np.maximum(smoothed(weight, sigma), np.float32(1e-3))
    return box, ((tones - coarse) * alpha[box][..., None]).astype(np.float32)


def _strength(detail: Plane, alpha: Plane) -> Plane:
    """Return the root mean square of detail (h, w, 3) that is weighted by alpha, over an object, (3,)."""
    found: Plane = np.sqrt(np.square(detail).sum((0, 1)) / np.square(alpha).sum())
    return found


def _parted(view: Pixels) -> Plane:
    """Return luminance, red less luminance and blue less luminance, float32 (h, w, 3)."""
    tones = luminance(view)
    return np.dstack([tones, view[..., 0] - tones, view[..., 2] - tones])


def _mixed(parted: Plane) -> Plane:
    """Return red, green and blue of what was parted."""
    tones, red, blue = np.moveaxis(parted, -1, 0)
    green = -(WEIGHTS[0] * red + WEIGHTS[2] * blue) / WEIGHTS[1]
    return np.dstack([tones + red, tones + green, tones + blue])
