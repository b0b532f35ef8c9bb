"""Which pictures an audit leaves out because another one looks the same: a copy is no further evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from picasso.auditing.files.duplicates import Alike, find_duplicates
from picasso.auditing.files.facts import FileFacts
from picasso.core.dataset import Example

MOST_NOTES = 10
"""Groups of copies that are named."""
EVERYWHERE = 12
"""By how much (0..255) any of the 256 small cells of a near copy may differ: a thing elsewhere in a plain picture
changes one of them by far more, and is no copy."""


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
    numbers = list(files)
    groups = find_duplicates(
        list(files.values()), [labels[one] for one in numbers], [examples[one].columns for one in numbers]
    )
    facts = list(files.values())

    def alike(first: int, other: int) -> bool:
        one, two = (np.frombuffer(facts[place].thumbnail, np.uint8).astype(np.int16) for place in (first, other))
        same = labels[numbers[first]] == labels[numbers[other]]
        return same and int(np.abs(one - two).max()) <= EVERYWHERE

    left_out: set[int] = set()
    for group in groups:
        kept: list[int] = []
        for place in group.members:
            if kept and (group.alike is not Alike.NEAR or any(alike(one, place) for one in kept)):
                left_out.add(place)
            else:
                kept.append(place)
    copies = {numbers[place] for place in left_out}
    said = []
    if copies:
        count = f"{len(copies)} pictures that are copies" if len(copies) > 1 else "1 picture that is a copy"
        said.append(f"Left out: {count} or nearly so. One of each is audited.")
    names = [examples[one].name for one in numbers]
    said += [group.sentence(names, classes) for group in groups[:MOST_NOTES]]
    if len(groups) > MOST_NOTES:
        said.append(f"{len(groups) - MOST_NOTES} more groups of pictures are there more than once.")
    return copies, said
