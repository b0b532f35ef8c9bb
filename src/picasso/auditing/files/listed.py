"""The facts that are looked at for clues: how each is read, probed, and put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.files.facts import FileFacts
from picasso.auditing.files.probes import Labels, Numbers, number_probe, word_probe

SPLIT = "split"
"""The column that says what a picture is for; it is no clue to its class."""
DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y:%m:%d %H:%M:%S", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d")
"""How dates are written. What is no date by any of these is a word."""
Which = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NumberFact:
    """A fact that is a number.

    Args:
        name, title: As in `Clue`.
        more, less: Completes "Pictures of tanks ...": "are larger files".
        say: Writes a number with its unit.
        values: Of every picture, (n,); NaN where it has none.
    """

    name: str
    title: str
    more: str
    less: str
    say: Callable[[float], str]
    values: Numbers

    @property
    def same(self) -> bool:
        """Whether it is the same in all pictures."""
        return len(np.unique(self.values)) == 1

    def probe(self, labels: Labels, classes: int, fold: Labels) -> Numbers:
        """Score every picture for every class, (n, classes), as learned from pictures of other folds."""
        return number_probe(self.values, labels, classes, fold)

    def sentence(self, own: Which, name: str, others: str) -> str:
        """Say what tells the pictures of a class from others.

        Args:
            own: Which pictures are of the class, bool (n,).
            name, others: What to call these and the others.
        """
        known = np.isfinite(self.values)
        has, have = float(known[own].mean()), float(known[~own].mean())
        if abs(has - have) > 0.25 or not known[own].any() or not known[~own].any():
            return f"{self.title}: known of {has:.0%} of the pictures of {name}, and of {have:.0%} of {others}."
        mine, theirs = float(np.median(self.values[own & known])), float(np.median(self.values[~own & known]))
        if self.say(mine) == self.say(theirs):
            low, high = (self.say(float(np.quantile(self.values[own & known], q))) for q in (0.1, 0.9))
            under, over = (self.say(float(np.quantile(self.values[~own & known], q))) for q in (0.1, 0.9))
            return (
                f"{self.title}: most pictures of {name} lie between {low} and {high}, those of {others} between "
                f"{under} and {over}."
            )
        how = self.more if mine > theirs else self.less
        return f"Pictures of {name} {how}: median {self.say(mine)} against {self.say(theirs)} of {others}."


@dataclass(frozen=True, eq=False)
class WordFact:
    """A fact that is a word.

    Args:
        name, title: As in `Clue`.
        values: Of every picture.
    """

    name: str
    title: str
    values: Sequence[str]

    @property
    def same(self) -> bool:
        """Whether it is the same in all pictures."""
        return len(set(self.values)) == 1

    def probe(self, labels: Labels, classes: int, fold: Labels) -> Numbers:
        """Score every picture for every class, (n, classes), as learned from pictures of other folds."""
        return word_probe(self.values, labels, classes, fold)

    def sentence(self, own: Which, name: str, others: str) -> str:
        """Say what tells the pictures of a class from others; see `NumberFact.sentence`."""
        texts = np.asarray(self.values, dtype=object)
        words = sorted(set(self.values))
        shares = [(float((texts[own] == word).mean()), float((texts[~own] == word).mean())) for word in words]
        place = int(np.argmax([abs(mine - theirs) for mine, theirs in shares]))
        mine, theirs = shares[place]
        word = f'"{words[place]}"' if words[place] else "missing"
        return f"{self.title}: {word} in {mine:.0%} of the pictures of {name}, and in {theirs:.0%} of {others}."


Fact = NumberFact | WordFact


def listed_facts(facts: Sequence[FileFacts], columns: Sequence[Mapping[str, str]] = ()) -> list[Fact]:
    """Return all facts of some pictures.

    Args:
        facts: Of every picture.
        columns: Of every picture what else is written of it, by name.
    """

    def number(
        name: str, title: str, more: str, less: str, say: Callable[[float], str], read: Callable[[FileFacts], float]
    ) -> NumberFact:
        return NumberFact(name, title, more, less, say, np.array([read(fact) for fact in facts], np.float64))

    def word(name: str, title: str, read: Callable[[FileFacts], str]) -> WordFact:
        return WordFact(name, title, [read(fact) for fact in facts])

    made: list[Fact] = [
        number("file-size", "Size of the file", "are larger files", "are smaller files", _size, lambda f: f.size),
        number("width", "Width", "are wider", "are narrower", _pixels, lambda f: f.width),
        number("height", "Height", "are higher", "are lower", _pixels, lambda f: f.height),
        number(
            "aspect-ratio", "Aspect ratio", "are wider for their height", "are narrower for their height", _ratio,
            lambda f: f.aspect,
        ),
        word("format", "Format", lambda f: f.format),
        word("mode", "Channels", lambda f: f.mode),
        number(
            "bits-per-pixel", "Bits for each pixel", "take more bits for each pixel", "take fewer bits for each pixel",
            _ratio, lambda f: f.bits,
        ),
        number(
            "jpeg-quality", "JPEG quality", "are saved at a higher JPEG quality", "are saved at a lower JPEG quality",
            _whole, lambda f: np.nan if f.quality is None else f.quality,
        ),
        word("exif", "EXIF data", lambda f: "present" if f.exif else "absent"),
        word("camera", "Camera", lambda f: f.camera),
        word("software", "Software", lambda f: f.software),
        number("date", "Date of the shot", "are newer", "are older", _day, lambda f: _date(f.date)),
        word("orientation", "Orientation of the camera", lambda f: str(f.orientation)),
    ]  # fmt: skip
    for place, side in enumerate(("top", "bottom", "left", "right")):
        title = f"Border at the {side}"
        read = _at(lambda f: f.borders, place)
        made.append(
            number(
                f"border-{side}",
                title,
                f"have a wider border at the {side}",
                f"have a narrower border at the {side}",
                _share,
                read,
            )
        )
    for place, color in enumerate(("red", "green", "blue")):
        read = _at(lambda f: f.color, place)
        made.append(number(color, f"Mean {color}", f"hold more {color}", f"hold less {color}", _whole, read))
    made += [
        number("luminance", "Mean luminance", "are brighter", "are darker", _whole, lambda f: f.luminance),
        number("contrast", "Contrast", "have more contrast", "have less contrast", _whole, lambda f: f.contrast),
    ]
    names = sorted({name for row in columns for name in row} - {SPLIT})
    return made + [_column(name, [row.get(name, "").strip() for row in columns]) for name in names]


def _column(name: str, texts: Sequence[str]) -> Fact:
    """Read a column as dates or numbers, where all that is written in it are some, or else as words."""
    written = [text for text in texts if text]
    title = f"Column {name}"
    for read, more, less, say in (
        (_number, "have a higher", "have a lower", _short),
        (_date, "have a later", "have an earlier", _day),
    ):
        if written and not np.isnan([read(text) for text in written]).any():
            values = np.array([read(text) for text in texts])
            return NumberFact(f"column-{name}", title, f"{more} {name}", f"{less} {name}", say, values)
    return WordFact(f"column-{name}", title, texts)


def _at(read: Callable[[FileFacts], tuple[float, ...]], place: int) -> Callable[[FileFacts], float]:
    return lambda fact: read(fact)[place]


def _number(text: str) -> float:
    """Return what a text says as a number; NaN where it is none."""
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


def _date(text: str) -> float:
    """Return the day that a text says, counted from year 1, with its part; NaN where it is no date."""
    for form in DATES:
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found.toordinal() + (found.hour * 3600 + found.minute * 60 + found.second) / 86400
    return np.nan


def _day(value: float) -> str:
    return datetime.fromordinal(int(value)).strftime("%Y-%m-%d")


def _size(value: float) -> str:
    return f"{value / 1000:.0f} KB" if value >= 10_000 else f"{value / 1000:.1f} KB"


def _pixels(value: float) -> str:
    return f"{value:.0f} pixels"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _short(value: float) -> str:
    return f"{value:.4g}"
