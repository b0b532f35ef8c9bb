"""Settings of a visualization: one class that is the validation, the form, the flags and the cache key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from picasso.core.errors import SettingsError


@dataclass(frozen=True)
class Extent:
    """A length on the network's input: pixels, or a fraction of a side.

    In Python an int is pixels and a float a fraction; on the wire it is "32px" or "20%", since JSON cannot tell 1
    from 1.0.

    Args:
        value: Pixels (at least 1), or the fraction (0..1].
        relative: Whether it is a fraction.
    """

    value: float
    relative: bool

    def pixels(self, side: int) -> int:
        """Return the length in pixels for a side of that many, at least 1."""
        return max(1, round(self.value * side)) if self.relative else int(self.value)

    def __str__(self) -> str:
        # In decimals, so that it comes back from the wire to the last bit: 0.07 * 100 is 7.000000000000001.
        return f"{Decimal(repr(float(self.value))).scaleb(2):f}%" if self.relative else f"{int(self.value)}px"

    @classmethod
    def parse(cls, raw: object) -> Extent:
        """Read an int (pixels), a float (fraction), "32px", "20%", "32" or "0.2"."""
        if isinstance(raw, Extent):
            return cls.parse(float(raw.value) if raw.relative else int(raw.value))
        if isinstance(raw, str):
            text = raw.strip().lower().replace(" ", "")
            try:
                if text.endswith("px"):
                    return cls.parse(int(text[:-2]))
                if text.endswith("%"):
                    if not 0 < float(text[:-1]) <= 100:
                        raise ValueError("must be more than 0% and at most 100% of the side")
                    return cls.parse(float(f"{text[:-1]}e-2"))
                return cls.parse(float(text) if "." in text else int(text))
            except ValueError as error:
                if str(error).startswith("must"):
                    raise
                raise ValueError("must be pixels such as 32px, or a fraction such as 20%") from None
        if isinstance(raw, bool) or not isinstance(raw, Real):
            raise ValueError("must be pixels (an int) or a fraction (a float)")
        if not isinstance(raw, Integral):
            if not 0 < raw <= 1:  # type: ignore[operator]  # Real promises no order
                raise ValueError("must be in (0, 1] as a fraction of the side; an int is pixels")
            return cls(float(raw), True)
        if raw < 1:
            raise ValueError("must be at least 1 pixel")
        return cls(int(raw), False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "extent", "pattern": r"^\d+px$|^\d+(\.\d+)?%$"}


class _Schema(GenerateJsonSchema):
    """Writes the default of a length as the text that the schema asks for."""

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Extent) else super().encode_default(dft)


class Settings(BaseModel):
    """Base of a visualization's settings. Give each field a title, a description and a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Validate raw values.

        Raises:
            SettingsError: A value is not allowed, or there is no such setting.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise SettingsError("; ".join(_sentence(cls, item) for item in error.errors())) from None

    @classmethod
    def model_json_schema(cls, *args: Any, **choices: Any) -> dict[str, Any]:
        """Return the JSON schema."""
        return super().model_json_schema(*args, **{"schema_generator": _Schema} | choices)


def _sentence(settings: type[Settings], item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "The settings"
    if item["type"] == "extra_forbidden":
        known = ", ".join(settings.model_fields) or "none"
        return f"There is no setting '{name}'. Known: {known}."
    if item["type"] == "missing":
        return f"{name} must be given."
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    if not message.startswith(("must", "excludes", "needs")):
        message = message.replace("Input should be", "must be").replace("Input", "it")
    got = item["input"]
    return f"{name} {message}. Got {got!r}." if item["loc"] else f"{message}."
