"""Which pictures an audit leaves out because another one looks the same: a copy is no further evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from picasso.auditing.files.duplicates import Alike, Duplicate, find_duplicates
from picasso.auditing.files.facts import FileFacts
from picasso.core.dataset import Example

MOST_NOTES = 10
"""Groups of copies that are named."""
EVERYWHERE = 12
"""By how much (0..255) any of the small cells of a near copy, of its light or its colors, may differ: a thing elsewhere
in a plain picture changes one of them by far more, and is no copy."""


def find_copies(
    files: Mapping[int, FileFacts], examples: Sequence[Example], labels: Sequence[int], classes: Sequence[str]
) -> tuple[set[int], list[str]]:
    """Find the pictures that are copies of others: the same, or of one class and nearly the same everywhere.

    Args:
        files: What the file of each picture says that can be read, by its number, in the order of the audit.
        examples, labels: Every picture and its class, by number.
        classes: Names of the classes.

    Returns:
        The numbers of all but the first of each group of copies, and what a reader should know, one sentence each,
        also of pictures that are much alike and are left in.
    """
    numbers, facts = list(files), list(files.values())
    groups = find_duplicates(facts, [labels[one] for one in numbers], [examples[one].columns for one in numbers])

    def alike(first: int, other: int) -> bool:
        one, two = (np.frombuffer(facts[place].thumbnail, np.uint8).astype(np.int16) for place in (first, other))
        same = labels[numbers[first]] == labels[numbers[other]]
        return same and int(np.abs(one - two).max()) <= EVERYWHERE

    left_out: set[int] = set()
    for group in groups:
        if group.alike is not Alike.NEAR:
            left_out.update(group.members[1:])
    for group in groups:
        kept: list[int] = []
        for place in group.members if group.alike is Alike.NEAR else ():
            if place in left_out:
                continue
            if any(alike(one, place) for one in kept):
                left_out.add(place)
            else:
                kept.append(place)
    said = []
    if left_out:
        count = f"{len(left_out)} pictures that are copies" if len(left_out) > 1 else "1 picture that is a copy"
        said.append(f"Left out: {count} or nearly so. One of each is audited.")
    names = [examples[one].name for one in numbers]
    said += [f"{one.sentence(names, classes)} {_of_these(one, left_out)}" for one in groups[:MOST_NOTES]]
    if len(groups) > MOST_NOTES:
        said.append(f"{len(groups) - MOST_NOTES} more groups of pictures are there more than once.")
    return {numbers[place] for place in left_out}, said


def _of_these(group: Duplicate, left_out: set[int]) -> str:
    """Say how many pictures of a group were left out."""
    count = len(left_out.intersection(group.members))
    if not count:
        return "None of them is left out."
    return f"{count} of them is left out." if count == 1 else f"{count} of them are left out."
