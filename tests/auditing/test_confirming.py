"""What a person says of the regions."""

from types import SimpleNamespace

import pytest

from picasso.auditing.regions.confirming import read_confirmed, region_name
from picasso.core.errors import ConfigurationError


class _Kinds(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.names)


KINDS = _Kinds(names=("the blue area at the top", "the small bright thing"))


def test_regions_are_named_by_number_or_by_their_words() -> None:
    said = read_confirmed({"region-2": True, "the blue area at the top": False}, KINDS)
    assert (said.object, said.other, said.known) == ((1,), (0,), True)
    assert region_name(1) == "region-2"


def test_what_is_not_the_object_does_not_say_what_is() -> None:
    assert not read_confirmed({"region-1": False}, KINDS).known
    assert not read_confirmed({}, KINDS).known


def test_an_unknown_region_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match="region-2: the small bright thing"):
        read_confirmed({"region-3": True}, KINDS)
