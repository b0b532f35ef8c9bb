"""Which class of a model is meant by a class of a data set."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from picasso.core.dataset.sources import composed
from picasso.core.errors import DatasetError

_IDENTIFIER = re.compile(r"^(n\d{8})(?:[\s,:_-]+|$)")
"""WordNet's, which ImageNet's labels and folders begin with."""
_NUMBER = re.compile(r"\s*(?:class[\s_-]+)?([0-9]{1,6})\s*", re.IGNORECASE)
_SHOWN = 5
"""So many classes are named in an error."""
_NEAREST = 3


def match_classes(
    dataset_classes: Sequence[str], model_labels: Sequence[str], given: Mapping[str, str | int] | None = None
) -> dict[str, int]:
    """Say which of a model's classes each class of a data set is.

    By name, whatever the case, whether words are parted by spaces, hyphens or underscores, and whether accents are
    characters of their own, as macOS writes them; by one of several names in a label ("tabby, tabby cat") or by
    WordNet's identifier before it; in the singular; or by number.

    Args:
        dataset_classes: The data set's classes.
        model_labels: The model's, in the order of its outputs.
        given: What a person says: a class of the data set -> a label of the model or its number. It wins.

    Returns:
        A class of the data set -> the number of the model's class, from 0, in the order of the data set; each another.

    Raises:
        DatasetError: A class is not found, or could be several, or two would be one; it names the nearest labels.

    Example:
        >>> match_classes(["tabby cats", "dog"], ["Dog", "tabby, tabby cat"])
        {'tabby cats': 1, 'dog': 0}
    """
    model = _Model(model_labels)
    named = {_called(str(key), dataset_classes): value for key, value in (given or {}).items()}
    said = {name: _given(name, value, model) for name, value in named.items()}
    if unknown := [name for name in said if name not in dataset_classes]:
        raise DatasetError(
            f"The data set has no class {_listed(unknown)}.", f"Its classes are {', '.join(dataset_classes)}."
        )
    matched: dict[str, int] = {}
    missing: list[str] = []
    for name in dataset_classes:
        places = (said[name],) if name in said else model.named(name)
        if len(places) > 1:
            raise DatasetError(
                f"The model has several classes '{name}': {', '.join(map(str, places))}.",
                f"Say which is meant: --match {_flag(name)}={places[0]}.",
            )
        if places:
            matched[name] = places[0]
        else:
            missing.append(name)
    if missing:
        raise DatasetError(f"The model has no class {_listed(missing)}.", _proposal(missing, model_labels))
    first_of: dict[int, str] = {}
    for name, place in matched.items():
        if (first := first_of.setdefault(place, name)) != name:
            raise DatasetError(
                f"The classes '{first}' and '{name}' would both be the model's '{model_labels[place]}'.",
                _parting(first if name in said and first not in said else name, set(matched.values()), model_labels),
            )
    return matched


class _Model:
    """A model's labels, to be looked up in one sense after the other, the closest first.

    Args:
        labels: In the order of its outputs.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        senses: tuple[tuple[Callable[[str], str], Callable[[str], Iterable[str]]], ...] = (
            (lambda name: composed(name.strip()), lambda label: [composed(label.strip())]),
            (plain, lambda label: [plain(label)]),
            (plain, lambda label: map(plain, _names(label))),
            (_identifier, lambda label: [_identifier(label)]),
            (lambda name: plain(_IDENTIFIER.sub("", name)), lambda label: map(plain, _names(label))),
            (_singular, lambda label: map(_singular, _names(label))),
            (_number, lambda label: [_number(label)]),
        )
        self.senses = [(of_name, self._index(of_label)) for of_name, of_label in senses]

    def _index(self, of_label: Callable[[str], Iterable[str]]) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for place, label in enumerate(self.labels):
            for key in dict.fromkeys(of_label(label)):
                found[key] = (*found.get(key, ()), place)
        found.pop("", None)
        return found

    def named(self, name: str) -> tuple[int, ...]:
        """Return the classes that a name means: one, none, or several that are called the same."""
        for of_name, index in self.senses:
            if places := index.get(of_name(name), ()):
                return places
        number = _number(name)
        _, numbers = self.senses[-1]
        # Where all labels are numbers themselves, no other number counts the outputs.
        counts = bool(number) and len(numbers) < len(self.labels)
        return (int(number),) if counts and int(number) < len(self.labels) else ()


def _number(name: str) -> str:
    """Return the number that a name is, "3" of "03" or "class 3"; "" where it is none."""
    found = _NUMBER.fullmatch(name)
    return str(int(found[1])) if found else ""


def plain(text: str) -> str:
    """Return a name without case, hyphens and underscores: "Tabby_Cat " -> "tabby cat"."""
    return " ".join(re.sub(r"[\s_-]+", " ", composed(text).casefold()).split())


def _called(name: str, classes: Sequence[str]) -> str:
    """Return how the data set writes a class that a person names; the name itself where it has none."""
    if name in classes:
        return name
    return next((one for one in classes if composed(one) == composed(name)), name)


def _names(label: str) -> list[str]:
    """Return the names in a label, without WordNet's identifier: "n02123045 tabby, tabby cat"."""
    bare = _IDENTIFIER.sub("", label.strip())
    return [part for part in re.split(r"[,;|]", bare) if part.strip()]


def _identifier(text: str) -> str:
    found = _IDENTIFIER.match(text.strip())
    return found[1] if found else ""


def _singular(text: str) -> str:
    """Return a name with every word in the singular, as far as rules go: the same rules are laid on both sides."""
    return " ".join(_one(word) for word in plain(_IDENTIFIER.sub("", text)).split())


def _one(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _given(name: str, value: str | int, model: _Model) -> int:
    """Return the class that a person names.

    Raises:
        DatasetError: The model has none of that name or number, or several.
    """
    labels = model.labels
    places = model.named(value) if isinstance(value, str) else tuple({value} & set(range(len(labels))))
    if len(places) > 1:
        raise DatasetError(
            f"The model has several classes '{value}': {', '.join(map(str, places))}.",
            f"Give the number: --match {_flag(name)}={places[0]}.",
        )
    if not places:
        raise DatasetError(
            f"The model has no class '{value}', which '{name}' is said to be.",
            f"{_nearest(str(value), labels)} The model has {len(labels)} classes, from 0.",
        )
    return places[0]


def _proposal(missing: Sequence[str], labels: Sequence[str]) -> str:
    """Say how to name the classes that were not found, with what comes nearest."""
    name = missing[0]
    near = _close(name, labels)
    flag = f"--match {_flag(name)}={_flag(near[0] if near else labels[0])}"
    return f"{_nearest(name, labels)} Say which it is: {flag}."


def _parting(name: str, taken: set[int], labels: Sequence[str]) -> str:
    """Say what to do with one of two classes that would be one: a third class for it, or one class for both."""
    together = "put the pictures of both into one class"
    free = [place for place in range(len(labels)) if place not in taken]
    if not free:
        return f"The model has no other class that is free: {together}."
    near = _close(name, [labels[place] for place in free])
    place = next((place for one in near for place in free if one in map(str.strip, _names(labels[place]))), free[0])
    return (
        f"If one of them is another class, say which, as in --match {_flag(name)}={place} for '{labels[place]}'; "
        f"if they are the same, {together}."
    )


def _nearest(name: str, labels: Sequence[str]) -> str:
    near = _close(name, labels)
    if near:
        return f"Nearest to '{name}': {', '.join(near)}."
    shown = ", ".join(labels[:_SHOWN])
    return f"The model's classes are {shown}{', ...' if len(labels) > _SHOWN else ''}."


def _close(name: str, labels: Sequence[str]) -> list[str]:
    """Return the names in labels that are written most alike."""
    known = {plain(part): part.strip() for label in reversed(labels) for part in _names(label)}
    wanted = plain(_IDENTIFIER.sub("", name)) or plain(name)
    alike = [key for key in known if set(key.split()) & set(wanted.split())]
    close = difflib.get_close_matches(wanted, alike, _NEAREST, 0.0) + difflib.get_close_matches(wanted, known, _NEAREST)
    return [known[key] for key in dict.fromkeys(close)][:_NEAREST]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _flag(text: str) -> str:
    """Return a name as a shell takes it."""
    return f'"{text}"' if re.search(r"[^\w.-]", text) else text
