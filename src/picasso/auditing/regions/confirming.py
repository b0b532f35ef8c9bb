"""What a person has said of the regions that were found: which of them are the object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from picasso.auditing.regions.kinds import RegionKinds
from picasso.core.errors import ConfigurationError


@dataclass(frozen=True)
class Confirmed:
    """What is known of where the object is.

    Args:
        object: Numbers of the kinds of regions that are the object, as a person says.
        other: Numbers of those that are not.
        masks: Whether the data set says it, with masks or boxes.
        likely: Number of the kind of regions that looks like the object, where nobody has said which is; None where
            none does, or where a person says that it is not.
    """

    object: tuple[int, ...] = ()
    other: tuple[int, ...] = ()
    masks: bool = False
    likely: int | None = None

    @property
    def known(self) -> bool:
        """Whether it is known where the object is."""
        return self.masks or bool(self.object)


def region_name(number: int) -> str:
    """Return what a kind of region is called where it is confirmed: "region-1"."""
    return f"region-{number + 1}"


def read_confirmed(said: Mapping[str, bool], kinds: RegionKinds) -> Confirmed:
    """Return what a person has said of the regions.

    Args:
        said: Name of a region, "region-1", or its description -> whether it is the object.
        kinds: The regions.

    Raises:
        ConfigurationError: There is no such region.
    """
    names = {region_name(number): number for number in range(len(kinds))}
    names |= {name: number for number, name in enumerate(kinds.names)}
    for name in said:
        if name not in names:
            listed = "; ".join(f"{region_name(number)}: {words}" for number, words in enumerate(kinds.names))
            raise ConfigurationError(f"There is no region '{name}'.", f"Found were {listed}.")
    return Confirmed(
        tuple(sorted(names[name] for name, object_ in said.items() if object_)),
        tuple(sorted(names[name] for name, object_ in said.items() if not object_)),
    )
