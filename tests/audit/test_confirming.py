import numpy as np
import pytest

from picasso.audit.confirming import confirm
from picasso.core.intervention import Seen

VIEW = np.zeros((4, 4, 3), np.uint8)


def test_the_object_is_where_the_confirmed_kinds_are():
    regions = np.arange(16).reshape(4, 4) % 3
    known = confirm(Seen("a/0.png", VIEW, 0, regions=regions), [0, 2])
    assert known.object is not None
    np.testing.assert_array_equal(known.object, regions != 1)
    assert known.regions is regions


def test_regions_and_a_kind_are_needed():
    with pytest.raises(ValueError, match=r"a/0\.png must be known"):
        confirm(Seen("a/0.png", VIEW, 0), [0])
    with pytest.raises(ValueError, match="At least one kind"):
        confirm(Seen("a/0.png", VIEW, 0, regions=np.zeros((4, 4), np.int64)), [])
