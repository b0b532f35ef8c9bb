"""What somebody declares of a preprocessing: checked, and what it leaves open taken from the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from picasso.core.errors import ConfigurationError
from picasso.core.preprocessing import Preprocessing


def read_declared(values: Mapping[str, Any], base: Preprocessing | None = None) -> Preprocessing:
    """Return the preprocessing that is declared.

    Args:
        values: The fields of `Preprocessing` that are declared.
        base: The model's own, which is kept where nothing is declared. At another size as large a share of the picture
            is cropped.

    Raises:
        ConfigurationError: A field is unknown, or its value is not allowed.
    """
    kept = base.model_dump(exclude_unset=True) if base else {}
    if base is not None and base.short_side is not None:
        if values.get("resize", "crop") != "crop":
            del kept["short_side"]
        elif "size" in values:
            size = values["size"]
            side = size if isinstance(size, int) else min(size)
            kept["short_side"] = round(base.short_side * side / min(base.shape[:2]))
    try:
        return Preprocessing.model_validate(kept | dict(values))
    except ValidationError as error:
        item = error.errors()[0]
        name = ".".join(str(part) for part in item["loc"][:1])
        if item["type"] == "extra_forbidden":
            known = ", ".join(Preprocessing.model_fields)
            raise ConfigurationError(f"The preprocessing has no '{name}'.", f"It has: {known}.") from None
        mend = "Correct it; what is not given is the model's own." if base else "Correct the preprocessing."
        message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be").rstrip(".")
        got = f" Got {item['input']!r}." if name else ""
        raise ConfigurationError(f"{name} {message}.{got}".strip(), mend) from None
