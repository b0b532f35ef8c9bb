"""Where the server's processes come from: copies of one that has imported what they need, made in an instant."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import BaseContext

_NEEDED = ["picasso.service.work", "picasso.service.plugin_process", "picasso.service.answering", "picasso.plugin"]
"""None of them imports a framework or a plug-in, so that what a process loads is still its own."""


def context() -> BaseContext:
    """Return what starts processes.

    On Linux they are forked from a process of a single thread that ends with the server; elsewhere each begins anew,
    which takes a second of a core.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_NEEDED)
    return found


def environment() -> tuple[dict[str, str]]:
    """Return the argument of `take_environment`: what is forked has the environment of when the first was started."""
    return (dict(os.environ),)


def take_environment(now: dict[str, str]) -> None:
    """Take the server's environment over, at the start of a process."""
    for name in os.environ.keys() - now.keys():
        del os.environ[name]
    os.environ.update(now)
