"""Weights from a library's own download: out of its cache, or the net, without waiting long."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from picasso.core.errors import ModelFileError, PicassoError
from picasso.models.torch.archive import weights_only

SECONDS = 10.0
"""How long one answer from the net may take."""
WAY_OUT = "or open it with --weights FILE, or untrained with --weights random (in Python weights=...)"
LOCAL = "or open a folder that save_pretrained wrote, hf:./my-checkpoint"


@contextmanager
def fetching(what: str, place: str, cache: Path | str) -> Iterator[None]:
    """Say in one sentence what could not be downloaded; nothing that is downloaded may run code.

    Args:
        what: "The weights of torchvision:resnet18".
        place: Where they are downloaded from.
        cache: Where the library keeps them.

    Raises:
        ModelFileError: Neither the cache nor the net has them.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        # Progress belongs beside the output, not into it.
        with weights_only(), redirect_stdout(sys.stderr):
            yield
    except PicassoError:
        raise
    except Exception as error:
        raise not_fetched(what, place, cache, _reason(error)) from error
    finally:
        socket.setdefaulttimeout(before)


def snapshot(repository: str, files: Sequence[str], what: str, way_out: str = WAY_OUT) -> Path:
    """Return the local folder of a repository on the Hugging Face Hub with these files, as far as it has them.

    Args:
        repository: "google/vit-base-patch16-224".
        files: Names, "*" stands for anything.
        what: What they are, for messages.
        way_out: What else can be done.

    Raises:
        ModelFileError: There is no such repository, or it can be neither reached nor found in the cache.
    """
    import huggingface_hub
    from huggingface_hub import constants, errors

    if not re.fullmatch(r"[\w.-]{1,96}(/[\w.-]{1,96})?", repository) or ".." in repository:
        raise ModelFileError(f"'{repository}' is neither a folder nor a name on the Hugging Face Hub.", "")
    cache = constants.HF_HUB_CACHE
    try:
        found = huggingface_hub.snapshot_download(repository, allow_patterns=list(files), etag_timeout=SECONDS)
    except errors.RepositoryNotFoundError as error:
        raise ModelFileError(
            f"The Hugging Face Hub has no model '{repository}', or shows it to its owner only.",
            "Check the name; huggingface-cli login opens private ones.",
        ) from error
    except Exception as error:
        offline = constants.HF_HUB_OFFLINE
        reason = "HF_HUB_OFFLINE forbids it" if offline else _reason(error)
        raise not_fetched(what, f"huggingface.co/{repository}", cache, reason, way_out) from error
    return Path(found)


def not_fetched(what: str, place: str, cache: Path | str, reason: str, way_out: str = WAY_OUT) -> ModelFileError:
    """Return the error for what neither the cache nor the net has."""
    return ModelFileError(
        f"{what} could not be downloaded from {place} ({reason}), and the cache {cache} does not hold them.",
        f"Try again online, {way_out}.",
    )


def cache_of_torch() -> Path:
    """Return the folder where torchvision and timm keep what they download from plain addresses."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0].removeprefix("Got: ").strip("<>").rstrip(".:")
    line = re.sub(r"( on)? https?://\S+", "", line).replace(" None -- ", " ")
    return line if len(line) <= 160 else line[:157] + "..."
