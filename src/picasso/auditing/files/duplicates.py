"""Duplicates: pictures that a data set holds more than once, above all in two splits or under two classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from picasso.auditing.files.facts import THUMBNAIL, FileFacts
from picasso.auditing.files.listed import SPLIT

NEAR = 3
"""Bits of 64 by which the difference hashes of near duplicates may differ."""
CLOSE = 6.0
"""Mean difference (0..255) of their small pictures at most, of the grey cells and of those of the colors: flat pictures
have equal hashes by chance, and the hash knows no colors."""
BANDS = 4
"""Hashes that differ in three bits agree in one of four parts wholly, so only such are compared."""
BLOCK = 256
"""Hashes that are compared with others at a time."""
PAIRS = 4096
"""Pairs whose small pictures are compared at a time."""


class Alike(StrEnum):
    """How alike the pictures of a group are."""

    BYTES = "same file"
    PIXELS = "same pixels"
    NEAR = "nearly the same picture"


@dataclass(frozen=True)
class Duplicate:
    """Pictures that are one picture.

    Args:
        members: Their numbers, from 0, in order; two at least. Of near duplicates each is near to some other.
        alike: How alike they are.
        splits: In which splits they are, in order of their names; empty where splits are not known.
        labels: Under which classes they are, numbers from 0.
    """

    members: tuple[int, ...]
    alike: Alike
    splits: tuple[str, ...]
    labels: tuple[int, ...]

    @property
    def leaks(self) -> bool:
        """Whether they are in more than one split: what was learned by heart is then taken for skill."""
        return len(self.splits) > 1

    @property
    def contradicts(self) -> bool:
        """Whether they are under more than one class."""
        return len(self.labels) > 1

    def sentence(self, names: Sequence[str], classes: Sequence[str]) -> str:
        """Say what was found.

        Args:
            names: Of all pictures.
            classes: Names of the classes.
        """
        shown = ", ".join(names[number] for number in self.members[:3])
        more = f" and {len(self.members) - 3} more" if len(self.members) > 3 else ""
        said = (
            f"{shown}{more} are the {self.alike}" if self.alike is not Alike.NEAR else f"{shown}{more} are {self.alike}"
        )
        if self.contradicts:
            said += ", under the classes " + " and ".join(f'"{classes[label]}"' for label in self.labels)
        if self.leaks:
            said += ", in the splits " + " and ".join(f'"{split}"' for split in self.splits)
        return said + "."


def find_duplicates(
    facts: Sequence[FileFacts], labels: Sequence[int], columns: Sequence[Mapping[str, str]] = ()
) -> tuple[Duplicate, ...]:
    """Find the pictures that a data set holds more than once.

    Args:
        facts: Of every picture, from `file_facts`.
        labels: Its class, a number from 0.
        columns: Of every picture what else is written of it; "split" says what it is for.

    Returns:
        Groups of pictures; what is under two classes first, then what is in two splits, then the rest. Pictures that
        are the same are a group, and are again in a group of near duplicates where others are near.
    """
    same: dict[str, list[int]] = {}
    for number, fact in enumerate(facts):
        same.setdefault(fact.pixels, []).append(number)
    groups = list(same.values())
    found = [
        (members, Alike.BYTES if len({facts[number].digest for number in members}) == 1 else Alike.PIXELS)
        for members in groups
        if len(members) > 1
    ]
    for near in _near_groups([facts[members[0]] for members in groups]):
        found.append((sorted(number for place in near for number in groups[place]), Alike.NEAR))
    made = [
        Duplicate(
            tuple(members),
            alike,
            tuple(sorted({columns[number].get(SPLIT, "") for number in members} - {""})) if columns else (),
            tuple(sorted({int(labels[number]) for number in members})),
        )
        for members, alike in found
    ]
    order = list(Alike)
    return tuple(sorted(made, key=lambda d: (not d.contradicts, not d.leaks, order.index(d.alike), d.members)))


def near_pairs(hashes: Sequence[int], most: int = NEAR) -> Iterator[NDArray[np.int64]]:
    """Yield all pairs of hashes that differ in few bits, some at a time.

    Args:
        hashes: 64 bits each.
        most: In how many bits they may differ, less than `BANDS`.

    Yields:
        (pairs, 2), the smaller number first; each pair once.
    """
    bits = np.asarray(hashes, np.uint64)
    parts = np.stack([(bits >> np.uint64(band * 64 // BANDS)).astype(np.uint16) for band in range(BANDS)])
    for band in range(BANDS):
        for members in _equal(parts[band]):
            for start in range(0, len(members), BLOCK):
                some, others = members[start : start + BLOCK], members[start:]
                near = _count_bits(bits[some, None] ^ bits[None, others]) <= most
                near &= some[:, None] < others[None]
                for before in parts[:band]:  # found there
                    near &= before[some, None] != before[None, others]
                left, right = np.nonzero(near)
                if len(left):
                    yield np.stack([some[left], others[right]], axis=1)


def _near_groups(facts: Sequence[FileFacts]) -> list[list[int]]:
    """Return groups of pictures that are near each other, directly or by others between them."""
    if not facts:
        return []
    small = np.frombuffer(b"".join(fact.thumbnail for fact in facts), np.uint8).reshape(len(facts), -1)
    group = np.arange(len(facts))
    for pairs in near_pairs([fact.hash for fact in facts]):
        for some in np.array_split(pairs, len(pairs) // PAIRS + 1):
            some = some[group[some[:, 0]] != group[some[:, 1]]]  # the others need no further link
            away = np.abs(small[some[:, 0]].astype(np.int16) - small[some[:, 1]])
            grey, colors = away[:, : THUMBNAIL**2].mean(axis=1), away[:, THUMBNAIL**2 :].mean(axis=1)
            group = _joined(group, some[(grey <= CLOSE) & (colors <= CLOSE)])
    return [members.tolist() for members in _equal(group)]


def _joined(group: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the group of each picture once pairs of them are linked."""
    if not len(pairs):
        return group
    size = len(group)
    left, right = group[pairs].T
    links = sparse.coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    _, found = csgraph.connected_components(links, directed=False)
    joined: NDArray[np.int64] = found[group].astype(np.int64)
    return joined


def _equal(values: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.int64]]:
    """Yield the places of values that are there more than once, in order."""
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    for members in np.split(order, cuts):
        if len(members) > 1:
            yield members


def _count_bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Count the bits that are set: NumPy does so itself from 2.0 on only."""
    parts = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 4)
    counts: NDArray[np.uint8] = _BITS[parts].sum(axis=-1, dtype=np.uint8)
    return counts


_BITS = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(1, dtype=np.uint8)
