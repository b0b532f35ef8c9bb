"""What a misspelled name may have meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from picasso.core.errors import NotFoundError

MOST = 3
"""So many names are proposed."""
_LIKE = 0.7
"""How much alike, 0..1, a spelling must be: `difflib.SequenceMatcher.ratio`."""
_LONGEST = 200
"""Of a longer word no more is compared."""


def nearest(word: str, known: Iterable[str], most: int = MOST) -> list[str]:
    """Return the names that a word may have meant, the likeliest first.

    A name or a part of it between commas that differs in case, spaces and hyphens alone is what was meant. Else
    the names that hold the word, and those of which a part begins with it; else those that are spelled much alike.

    Args:
        word: What was written.
        known: The names.
        most: How many are returned at most.

    Example:
        >>> nearest("GradCAM", ["grad-cam", "grad-cam-plus-plus", "xrai"])
        ['grad-cam']
        >>> nearest("tabby", ["tiger cat", "tabby, tabby cat", "tub, vat"])
        ['tabby, tabby cat']
    """
    names, wanted = list(dict.fromkeys(known)), _folded(word[:_LONGEST])
    if not wanted:
        return []
    parts = {name: [_folded(name), *map(_folded, name.split(","))] for name in names}
    if same := [name for name in names if wanted in parts[name]]:
        return same[:most]
    words = {name: [_folded(one) for one in re.split(r"[-_\s,]+", name)] for name in names}
    holding = [name for name in names if wanted in words[name]]
    begun = [name for name in names if any(part.startswith(wanted) for part in parts[name])]
    found = list(dict.fromkeys((*sorted(holding, key=len), *sorted(begun, key=len))))
    if not found:
        # What several names hold is the name that is nothing else, where there is one.
        spelled = {one: name for spellings in (words, parts) for name in reversed(names) for one in spellings[name]}
        close = difflib.get_close_matches(wanted, spelled, most, _LIKE)
        found = list(dict.fromkeys(spelled[one] for one in close))
    return found[:most]


def did_you_mean(word: str, known: Iterable[str], separator: str = ", ", most: int = MOST) -> str:
    """Return "Did you mean grad-cam?", or "" where nothing is near.

    Args:
        word: What was written.
        known: The names.
        separator: What stands between several; names may hold commas.
        most: How many are proposed at most.
    """
    near = nearest(word, known, most)
    return f"Did you mean {separator.join(near)}?" if near else ""


def unknown_layer(name: str, known: Iterable[str]) -> NotFoundError:
    """Return the error for a layer that a network does not have, with the nearest that it has, else its last ones."""
    layers = list(known)
    near = nearest(name, layers) or layers[-MOST:]
    return NotFoundError(f"There is no layer '{name}'.", f"Did you mean {', '.join(near)}?" if near else "")


def _folded(name: str) -> str:
    return re.sub(r"[-_\s]+", "", name).casefold()
