"""What a command line that cannot be read is answered: usage on stderr, and with --json a document on stdout."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from picasso.core.errors import SettingsError
from picasso.shell import output

_JSON = "picasso.json"
_UsageError: Any = typer.BadParameter.__base__  # Typer's own or click's, by Typer's version


class Commands(TyperGroup):
    """The commands; a wrong option or a missing word keeps the promise of --json, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note whether a document is wanted, before anything can fail."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; say as a document why its words cannot be read, where that is wanted."""
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            if not ctx.meta[_JSON]:
                raise
            asked = error.ctx.command_path if error.ctx else "picasso"
            known = SettingsError(error.format_message(), f"See: {asked} --help")
            output.print_json({"error": output.as_document(known)})
            raise typer.Exit(output.BAD_INPUT) from None
