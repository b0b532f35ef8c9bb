"""Runs one visualization over the pictures of a command line, or the model alone, and shows what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picasso.core import runner
from picasso.core.asking import Place
from picasso.core.errors import NotSupportedError, PicassoError, PictureError
from picasso.core.fitting import missing
from picasso.core.panels import Bars, Panel, Text
from picasso.core.pictures.images import read_picture
from picasso.shell import output
from picasso.shell.extracting import Extracting
from picasso.shell.pictures import Found

if TYPE_CHECKING:
    from rich.console import Console

    from picasso.core.estimate import Estimate
    from picasso.core.model import Model
    from picasso.core.registry import Entry
    from picasso.core.result import Result
    from picasso.core.settings import Settings

Report = Callable[[int, int, str], None]
_OF_ONE_PICTURE = ("bad-picture", "model-failed", "bad-output", "bad-plugin")
"""Codes of errors after which the other pictures may still succeed."""
_BEST = 5
"""So many of the best classes are listed, whatever is explained."""
_BARS = 20
"""So many bars of a panel are printed."""
_VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg")
"""Endings of files that `picasso video` reads and `picasso explain` does not."""


@dataclass(frozen=True)
class Choices:
    """What is done with every picture, or with the model alone."""

    entry: Entry
    settings: Settings
    targets: tuple[str, ...]
    top: int
    at: Place | None
    seed: int
    folder: Path
    extracting: Extracting


@dataclass(frozen=True)
class Done:
    """What became of one picture, or of the model alone: a result with its files, or an error."""

    source: str
    result: Result | None = None
    files: tuple[Path, ...] = ()
    error: PicassoError | None = None


def explain_all(model: Model, pictures: Sequence[Found | None], choices: Choices, quiet: bool) -> list[Done]:
    """Explain pictures one after another and write their files.

    Args:
        model: The model.
        pictures: What to explain; None for the model alone.
        choices: What to do.
        quiet: Whether no progress is shown.

    Returns:
        One entry for each picture. Among several, one that fails is kept with its error and the rest goes on.

    Raises:
        PicassoError: The only picture failed, or an error that every picture would meet.
    """
    finished: list[Done] = []
    console = output.console(stderr=True)

    def said(estimate: Estimate) -> None:
        console.print(str(estimate), style="dim", markup=False, highlight=False, soft_wrap=True)

    with progress_bars(console, len(pictures), quiet) as (begin, report):
        for one in pictures:
            source = model.name if one is None else str(one.path)
            begin(model.name if one is None else one.path.name)
            try:
                result = _explain(model, one, choices, report, ignored if quiet else said)
                extracting, folder = choices.extracting, choices.folder / (Path() if one is None else one.beside)
                found = extracting.of(result)
                result = extracting.told(result, found)
                files = [*result.save(folder), *extracting.save(result, found, folder)]
            except PicassoError as error:
                if len(pictures) == 1 or error.code not in _OF_ONE_PICTURE:
                    raise
                finished.append(Done(source, error=error))
                if not quiet:
                    output.print_error(error, where=source, to=console)
            else:
                finished.append(Done(source, result, tuple(files)))
    return finished


def refuse_unfitting(model: Model, asked: Sequence[Choices]) -> None:
    """Refuse, before any work, visualizations that the model cannot do.

    Raises:
        NotSupportedError: The model lacks what one of them needs.
    """
    for choices in asked:
        if reason := missing(model, choices.entry):
            raise NotSupportedError(reason, "Choose another visualization.")


def ignored(estimate: Estimate) -> None:
    """Say nothing of what a run will take."""


def _explain(
    model: Model, one: Found | None, choices: Choices, report: Report, announce: Callable[[Estimate], None]
) -> Result:
    if one is not None and one.path.suffix.lower() in _VIDEOS and one.path.is_file():
        raise PictureError(f"{one.path} is a video.", f"For maps over it: picasso video MODEL {one.path}")
    picture = None if one is None else read_picture(one.path)
    return runner.run(
        model,
        picture,
        choices.entry,
        choices.settings,
        target=choices.targets or None,
        top=choices.top,
        at=choices.at,
        seed=choices.seed,
        report=report,
        announce=announce,
    )


def as_document(finished: Sequence[Done]) -> dict[str, Any]:
    """Return everything that came out, as JSON."""
    return {
        "results": [
            {"source": one.source, "files": [str(file) for file in one.files]} | one.result.document()
            for one in finished
            if one.result
        ],
        "errors": [{"source": one.source, "error": output.as_document(one.error)} for one in finished if one.error],
    }


def show(finished: Sequence[Done], folder: Path) -> None:
    """Print what the model takes the pictures for, and the files that were written."""
    console = output.console()
    good = [(one, one.result) for one in finished if one.result]
    if len(finished) == 1 and good:
        one, result = good[0]
        console.print(_plain(f"{result.about}: {result.title}"), soft_wrap=True)
        if result.predictions or result.attributions:
            console.print(_classes(result))
        else:
            _print_panels(console, result.panels)
        for box in result.record.get("boxes", ()):
            console.print(_plain(f"{box['target']}: {_said(box)}"), soft_wrap=True)
        for file in one.files:
            console.print(str(file), soft_wrap=True, markup=False)
    elif good:
        table = output.columns("Picture", "Classes, best first", "Files")
        for one, result in good:
            best = ", ".join(f"{p.label} {p.probability:.3f}" for p in result.predictions[:3])
            table.add_row(_plain(one.source), _plain(best), str(len(one.files)))
        console.print(table)
        console.print(f"{len(good)} of {len(finished)} pictures explained; files in {folder}", markup=False)
    _say_tested([result for _, result in good])
    failed = len(finished) - len(good)
    if failed:
        bad = output.console(stderr=True)
        bad.print(f"error: {failed} of {len(finished)} pictures could not be explained", style="red")


def _print_panels(console: Console, panels: Iterable[Panel]) -> None:
    """Print what panels say in words and numbers; their pictures are in the files."""
    for panel in panels:
        if isinstance(panel, Text):
            console.print(_plain(f"{panel.title}: {panel.text}"), soft_wrap=True)
        elif isinstance(panel, Bars):
            ends = [f"{low:.3g} … {high:.3g}" for low, high in panel.intervals] or [""] * len(panel.values)
            table = output.columns(panel.title, panel.units, *["Interval"] * bool(panel.intervals))
            for label, value, end in list(zip(panel.labels, panel.values, ends, strict=True))[:_BARS]:
                table.add_row(_plain(label), f"{value:.4g}", *[end] * bool(end))
            console.print(table)
            if (more := len(panel.values) - _BARS) > 0:
                console.print(f"{more} more are in the files.", style="dim")


def _classes(result: Result) -> Any:
    """Return the table of what the model takes a picture for, and of what else is explained: each with its score."""
    table = output.columns("Class", str(result.record["certainty"]).capitalize(), "Score explained")
    scores = {a.target.label: f"{a.score:.3f}" for a in result.attributions}
    shares = {prediction.label: f"{prediction.probability:.4f}" for prediction in reversed(result.predictions)}
    best = [prediction.label for prediction in result.predictions[: max(_BEST, len(result.targets))]]
    for label in dict.fromkeys((*best, *scores)):
        table.add_row(_plain(label), shares.get(label, ""), scores.get(label, ""))
    return table


def _said(box: dict[str, Any]) -> str:
    """Say where a box is, or why there is none."""
    if box["box"] is None:
        return f"no box. {box['reason']}"
    left, top, width, height = box["box"]
    return f"box {left},{top},{width},{height}. {box['how']}"


def _say_tested(results: Sequence[Result]) -> None:
    """Say what is known of the maps: one method with one choice of settings, so one line."""
    tested = next((result.tested for result in results if result.tested is not None), None)
    if tested is not None:
        said = str(tested) if tested.warned else f"{results[0].title}: {tested}"
        style = "red" if tested.warned else "dim"
        output.console(stderr=True).print(said, style=style, soft_wrap=True, markup=False, highlight=False)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


@contextmanager
def progress_bars(console: Console, count: int, quiet: bool) -> Iterator[tuple[Callable[[str], None], Report]]:
    """Show a bar for the pictures, where there are several, and one for the work on each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if quiet or not console.is_terminal:
        yield lambda name: None, lambda done, total, message: None
        return
    words = TextColumn("{task.description}", markup=False)
    bars = Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True)
    with bars:
        pictures = bars.add_task("pictures", total=count, completed=-1) if count > 1 else None
        work = bars.add_task("", total=None)

        def begin(name: str) -> None:
            if pictures is not None:
                bars.advance(pictures)
            bars.reset(work, total=None, description=name)

        def report(done: int, total: int, message: str) -> None:
            bars.update(work, completed=done, total=total)

        yield begin, report
