"""`picasso new`: files to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picasso.shell.options import DebugOption
from picasso.shell.output import guarded

ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")]


@guarded
def new_visualization(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as fun-viz.", show_default=False)],
    template: Annotated[bool, typer.Option("--template", help="With a Jinja template of its own beside it.")] = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a working visualization into your plug-in folder; every model can be explained with it at once.

    \b
    picasso new visualization fun-viz
    picasso explain demo:tank-proxy photo.jpg --with fun-viz
    """
    from picasso.shell import scaffolding

    for file in scaffolding.new_visualization(name, template=template, force=force):
        typer.echo(file)


@guarded
def new_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as my-model.", show_default=False)],
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a model file with the three hooks into this folder.

    \b
    picasso new model tank-detector
    picasso inspect tank_detector.py:TankDetector
    """
    from picasso.shell import scaffolding

    typer.echo(scaffolding.new_model(name, Path(), force=force))


@guarded
def new_config(force: ForceOption = False, debug: DebugOption = False) -> None:
    """Write a picasso.toml with comments into this folder.

    \b
    picasso new config
    picasso serve
    """
    from picasso.shell import scaffolding

    typer.echo(scaffolding.new_configuration(Path(), force=force))


@guarded
def new_pictures(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Made where it is absent.")] = Path("tanks"),
    count: Annotated[
        int, typer.Option("--count", metavar="NUMBER", min=1, max=10_000, help="How many; half of them tanks.")
    ] = 8,
    debug: DebugOption = False,
) -> None:
    """Draw pictures of the demo's tanks and decoys: every tank under clouds, every decoy under the sun.

    \b
    picasso new pictures tanks --count 8
    picasso explain demo:tank-proxy tanks/tank --target tank
    """
    from picasso.demo import tanks
    from picasso.shell import folders

    folders.check_folders(folder)
    tanks.write(folder, count)
    typer.echo(folder)
