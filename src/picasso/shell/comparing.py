"""Compares attribution methods over the pictures of a command line, and shows which to trust."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from picasso.core.errors import PicassoError, SettingsError
from picasso.core.pictures.images import SUFFIXES, Picture, read_picture
from picasso.scorecard.card import Card, Trust
from picasso.scorecard.comparing import DEFAULT, MethodChoice, compare_all
from picasso.scorecard.method import Method
from picasso.scorecard.report import interval, number
from picasso.shell import output
from picasso.shell.explaining import progress_bars
from picasso.shell.flags import as_value, read_names
from picasso.shell.pictures import Found

if TYPE_CHECKING:
    from picasso.core.model import Model
    from picasso.scorecard.comparison import Comparison

_STYLES = {Trust.YES: "green", Trust.CARE: "yellow", Trust.NO: "red"}


@dataclass(frozen=True)
class Asked:
    """What is compared, and how."""

    methods: Sequence[Method]
    target: str | None
    mask: str
    at: str
    seed: int
    randomization: bool


@dataclass(frozen=True)
class Unread:
    """A picture that could not be read."""

    source: Path
    error: PicassoError


def choices(words: Sequence[str], settings: Sequence[str]) -> list[MethodChoice] | str | None:
    """Return the methods that were named, with their settings.

    Args:
        words: Names, also with commas between them; "all"; or nothing.
        settings: "method.name=value" each.

    Raises:
        SettingsError: A setting is not written so, or belongs to no method that is compared.
    """
    given: dict[str, dict[str, Any]] = {}
    for word in settings:
        place, equals, value = word.partition("=")
        method, dot, name = place.partition(".")
        if not equals or not dot or not name:
            raise SettingsError(
                f"--set takes METHOD.NAME=VALUE. Got '{word}'.", "For example: --set grad-cam.layer=conv5"
            )
        given.setdefault(method.strip(), {})[name.strip().replace("-", "_")] = as_value(value.strip())
    names = read_names(words)
    if not given and (not names or names == ["all"]):
        return "all" if names else None
    names = names or list(DEFAULT)
    if lost := [method for method in given if method not in names]:
        raise SettingsError(f"--set names '{lost[0]}', which is not compared.", f"Compared: {', '.join(names)}.")
    empty: Mapping[str, Any] = {}
    return [(name, given.get(name, empty)) for name in names]


def compare_found(model: Model, found: Sequence[Found], asked: Asked, quiet: bool) -> tuple[Comparison, list[Unread]]:
    """Compare methods on pictures; among several, one that cannot be read is said and left out.

    Raises:
        PicassoError: The only picture cannot be read, or nothing can be compared.
    """
    unread: list[Unread] = []
    masks = _masks(asked.mask, found)
    console = output.console(stderr=True)

    def readable() -> Iterator[tuple[Picture, object]]:
        for one in found:
            try:
                picture = read_picture(one.path)
            except PicassoError as error:
                if len(found) == 1:
                    raise
                unread.append(Unread(one.path, error))
                if not quiet:
                    output.print_error(error, where=str(one.path), to=console)
            else:
                yield picture, masks.get(one.path)

    with progress_bars(console, 1, quiet) as (begin, report):

        def said(done: int, total: int, message: str) -> None:
            begin(message)
            report(done, total, message)

        comparison = compare_all(
            model,
            readable(),
            len(found),
            asked.methods,
            target=asked.target,
            at=asked.at,
            seed=asked.seed,
            randomization=asked.randomization,
            report=said,
        )
    return comparison, unread


def _masks(said: str, found: Sequence[Found]) -> dict[Path, object]:
    """Return the mask of each picture: one file or box for all, or of a folder the file of the picture's name."""
    folder = Path(said) if said else None
    if folder is None or not folder.is_dir():
        return {one.path: said for one in found} if said else {}
    files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES}
    masks: dict[Path, object] = {one.path: files[one.path.stem] for one in found if one.path.stem in files}
    if not masks:
        raise SettingsError(f"{folder} holds no mask of these pictures.", "A mask has the name of its picture.")
    return masks


def show(comparison: Comparison, files: Sequence[Path], unread: Sequence[Unread]) -> None:
    """Print the card as a table, the verdict, and the files."""
    console = output.console()
    masked = any(card.pointing is not None for card in comparison.cards)
    headings = ("Map", "Relevance gain", "Above Sobel", "Single patches", "Weights shuffled", "Sensitivity")
    table = output.columns(*headings, *(("Points", "Mass", "Overlap") if masked else ()), "")
    for card in comparison.cards:
        cells = [_spread(card.gain), _spread(card.over_sobel), _spread(card.patches), _tested(card)]
        cells.append(number(card.sensitivity))
        if masked:
            cells += [number(card.pointing), number(card.mass), number(card.overlap)]
        word = Text(card.trust.value, style=_STYLES[card.trust]) if card.trust else Text(_state(card), style="dim")
        table.add_row(Text(card.title), *(Text(cell) for cell in cells), word)
    console.print(table)
    console.print()
    for sentence in comparison.verdict:
        console.print(Text(sentence), soft_wrap=True)
    console.print()
    for card in comparison.cards:
        for reason in () if card.control else card.reasons:
            console.print(Text(f"{card.title}: {reason}"), soft_wrap=True)
    if files:
        console.print()
    for file in files:
        console.print(str(file), soft_wrap=True, markup=False)
    if unread:
        bad = output.console(stderr=True)
        said = "1 picture" if len(unread) == 1 else f"{len(unread)} pictures"
        bad.print(f"error: {said} could not be read", style="red")


def document(comparison: Comparison, files: Sequence[Path], unread: Sequence[Unread]) -> dict[str, Any]:
    """Return everything that came out, as JSON."""
    errors = [{"source": str(one.source), "error": output.as_document(one.error)} for one in unread]
    return comparison.document() | {"files": [str(file) for file in files], "errors": errors}


def _state(card: Card) -> str:
    return "control" if card.control else "not measured"


def _spread(figure: Any) -> str:
    return f"{number(figure)} ({interval(figure)})" if interval(figure) else number(figure)


def _tested(card: Card) -> str:
    if card.randomization is None:
        return "–" if card.control else "untested"
    return f"{'forgets' if card.randomization.passed else 'stays'} ({card.randomization.similarity:.2f})"
