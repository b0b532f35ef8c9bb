"""Lays maps over a video of a command line, and shows what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from picasso.core.errors import PictureError, SettingsError
from picasso.shell import output
from picasso.shell.explaining import progress_bars

if TYPE_CHECKING:
    from picasso.core.model import Model
    from picasso.core.registry import Entry
    from picasso.core.settings import Settings
    from picasso.core.video.filming import Film


@dataclass(frozen=True)
class Choices:
    """What is done with the video."""

    entry: Entry
    settings: Settings
    target: str | None
    top: int
    channel: int | None
    every: int
    out: Path


def only_one(named: Sequence[str]) -> Path:
    """Return the one video that was named.

    Raises:
        PictureError: It was none, or several.
    """
    if len(named) != 1:
        raise PictureError(f"One video is explained at a time. Got {len(named)}.", "For example: drive.mp4")
    return Path(named[0])


def only_visualization(names: Sequence[str]) -> str:
    """Return the one visualization that was named.

    Raises:
        SettingsError: There are several.
    """
    if len(names) != 1:
        raise SettingsError(f"A film shows one visualization. Got {', '.join(names)}.", "Make a film of each.")
    return names[0]


def film(model: Model, path: Path, choices: Choices, quiet: bool) -> tuple[Film, list[Path]]:
    """Explain a video and write the film, the document and the table.

    Args:
        model: The model.
        path: The video.
        choices: What to do.
        quiet: Whether no progress is shown.

    Raises:
        PicassoError: As `film_video`.
    """
    from picasso.core.video.filming import film_video

    with progress_bars(output.console(stderr=True), 1, quiet) as (begin, report):
        begin(path.name)
        made = film_video(
            model,
            path,
            choices.entry,
            choices.settings,
            out=choices.out,
            target=choices.target,
            top=choices.top,
            every=choices.every,
            channel=choices.channel,
            report=report,
        )
    return made, [made.path, *made.save_scores()]


def show(film: Film, files: Sequence[Path]) -> None:
    """Print how often each class was the best, what must be known of the video, and the files."""
    console = output.console()
    title, video = film.record["visualization"]["title"], film.record["video"]["name"]
    counted = f"{len(film.shots)} frame{'' if len(film.shots) == 1 else 's'}"
    console.print(Text(f"{video}: {title} of {counted}"), soft_wrap=True)
    best = Counter(shot.glance.classes[0].label for shot in film.shots if shot.glance and shot.glance.classes)
    table = output.columns("Best class", "Frames", "Share")
    for label, count in best.most_common(10):
        table.add_row(Text(label), str(count), f"{count / len(film.shots):.0%}")
    if best:
        console.print(table)
    for note in film.notes:
        console.print(Text(note), soft_wrap=True)
    for file in files:
        console.print(str(file), soft_wrap=True, markup=False)
