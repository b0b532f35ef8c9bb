"""Names of models: a scheme before a colon says who makes the network, as in timm:resnet18, or where it runs."""

from __future__ import annotations

from pathlib import Path

SCHEMES = ("demo", "keras", "timm", "torchvision", "hf", "http", "https")


def scheme_of(source: str) -> str:
    """Return the scheme of a source, "timm" of "timm:resnet18"; "" where it is a file or something else."""
    scheme, _, rest = source.partition(":")
    return scheme if rest and scheme in SCHEMES else ""


def called(source: str) -> str:
    """Return what a model with a scheme is called: as it is written, or without the place before its last slash.

    Example:
        >>> called("timm:resnet18"), called("hf:google/vit-base-patch16-224")
        ('timm:resnet18', 'vit-base-patch16-224')
    """
    places = source.replace("\\", "/").rstrip("/").split("/")
    return places[-1] if len(places) > 1 and places[-1] not in (".", "..") else places[0]


def path_parts(source: str) -> tuple[str, str, str]:
    """Split a source into what comes before its file, the file, and what comes after: ("", "net.py", ":Net").

    Returns:
        The file is "" where the source can name none: "timm:resnet18". For "hf:name" it may be a folder.
    """
    scheme = scheme_of(source)
    if scheme:
        return ("hf:", source.removeprefix("hf:"), "") if scheme == "hf" else (source, "", "")
    file, colon, attribute = source.rpartition(":")
    return ("", file, colon + attribute) if Path(file).suffix == ".py" else ("", source, "")
