"""Which pictures an audit leaves out because another one looks the same: a copy is no further evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from picasso.auditing.files.duplicates import find_duplicates
from picasso.auditing.files.facts import FileFacts
from picasso.core.dataset import Example

MOST_NOTES = 10
"""Groups of copies that are named."""


def find_copies(
    files: Mapping[int, FileFacts], examples: Sequence[Example], labels: Sequence[int], classes: Sequence[str]
) -> tuple[set[int], list[str]]:
    """Find the pictures that are copies of others, the same or nearly so.

    Args:
        files: What the file of each picture says that can be read, by its number, in the order of the audit.
        examples, labels: Every picture and its class, by number.
        classes: Names of the classes.

    Returns:
        The numbers of all but the first of each group of copies, and what a reader should know, one sentence each:
        none where there are no copies.
    """
    numbers = list(files)
    groups = find_duplicates(
        list(files.values()), [labels[one] for one in numbers], [examples[one].columns for one in numbers]
    )
    # A group of near copies holds the groups of equal ones in it, so that the first of it is the first of these, too.
    copies = {numbers[place] for group in groups for place in group.members[1:]}
    if not copies:
        return copies, []
    count = f"{len(copies)} pictures that are copies" if len(copies) > 1 else "1 picture that is a copy"
    said = [f"Left out: {count} or nearly so. Of each group the one that is named first is audited."]
    names = [examples[one].name for one in numbers]
    said += [group.sentence(names, classes) for group in groups[:MOST_NOTES]]
    if len(groups) > MOST_NOTES:
        said.append(f"{len(groups) - MOST_NOTES} more groups of pictures are there more than once.")
    return copies, said
