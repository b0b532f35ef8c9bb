"""Settings: lengths that survive the wire, and mistakes named in one sentence."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from picasso.core.errors import SettingsError
from picasso.core.settings import Extent, Settings


class Wired(Settings):
    window: Extent = Field(Extent(0.2, True), title="Window")
    stride: Extent | None = None


class Various(Settings):
    count: int = Field(5, ge=1, le=9)
    share: float = Field(0.5, gt=0)
    fill: Literal["grey", "black"] = "grey"
    deep: tuple[int, ...] = (1,)
    grid: int | None = None

    @model_validator(mode="after")
    def _one(self) -> Various:
        if self.grid is not None and self.count != 5:
            raise ValueError("grid excludes count: give one of them")
        return self


class Demanding(Settings):
    layer: str


PATTERN = re.compile(Wired.model_json_schema()["properties"]["window"]["pattern"])


def over_the_wire(settings: Settings) -> Any:
    return type(settings).read(json.loads(json.dumps(settings.model_dump(mode="json"))))


# --- lengths ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value", "relative", "wire"),
    [
        (1, 1, False, "1px"),
        (1.0, 1.0, True, "100%"),
        ("1px", 1, False, "1px"),
        ("100%", 1.0, True, "100%"),
        ("1", 1, False, "1px"),
        ("1.0", 1.0, True, "100%"),
        (32, 32, False, "32px"),
        (0.2, 0.2, True, "20%"),
        ("20%", 0.2, True, "20%"),
        ("0.2", 0.2, True, "20%"),
        (" 32 PX ", 32, False, "32px"),
        ("12.5 %", 0.125, True, "12.5%"),
        (0.07, 0.07, True, "7%"),
        (1 / 3, 1 / 3, True, "33.33333333333333%"),
        (1e-7, 1e-7, True, "0.00001%"),
        (np.int64(8), 8, False, "8px"),
        (np.float64(0.25), 0.25, True, "25%"),
        (np.float32(0.5), 0.5, True, "50%"),
        (Extent(3, False), 3, False, "3px"),
    ],
)
def test_a_length_as_people_write_it(written: Any, value: float, relative: bool, wire: str) -> None:
    extent = Wired(window=written).window
    assert (extent.value, extent.relative) == (value, relative)
    assert type(extent.value) is (float if relative else int)
    assert str(extent) == wire
    assert Wired(window=written).model_dump(mode="json")["window"] == wire
    assert PATTERN.match(wire)
    assert over_the_wire(Wired(window=written)).window == extent


@given(st.one_of(st.integers(1, 10**6), st.floats(0, 1, exclude_min=True)))
@example(1)
@example(1.0)
@example(5e-324)
@example(0.29)
@example(0.6 / 224)
@settings(deadline=None)
def test_every_length_comes_back_from_the_wire_to_the_last_bit(length: float) -> None:
    settings = Wired(window=length, stride=length)
    again = over_the_wire(settings)
    assert again == settings
    assert again.window.relative is isinstance(length, float)
    assert again.window.value == length
    assert PATTERN.match(str(settings.window))


@given(st.text(max_size=12))
@settings(deadline=None)
def test_any_text_is_a_length_or_an_error_of_settings(text: str) -> None:
    try:
        extent = Wired.read({"window": text}).window
    except SettingsError as error:
        assert error.message.startswith("window must be ")  # noqa: PT017 - either outcome is fine
    else:
        assert extent.value > 0
        assert Extent.parse(str(extent)) == extent


def test_a_length_in_pixels_for_a_side() -> None:
    assert [Extent(0.2, True).pixels(side) for side in (1, 10, 224, 227)] == [1, 2, 45, 45]
    assert Extent(0.001, True).pixels(10) == 1
    assert Extent(1.0, True).pixels(7) == 7
    assert Extent(12, False).pixels(5) == 12


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (0, "window must be at least 1 pixel. Got 0."),
        (-3, "window must be at least 1 pixel. Got -3."),
        ("0px", "window must be at least 1 pixel. Got '0px'."),
        (3.0, "window must be in (0, 1] as a fraction of the side; an int is pixels. Got 3.0."),
        ("300%", "window must be more than 0% and at most 100% of the side. Got '300%'."),
        (0.0, "window must be in (0, 1] as a fraction of the side; an int is pixels. Got 0.0."),
        ("nan%", "window must be more than 0% and at most 100% of the side. Got 'nan%'."),
        ("nan.", "window must be pixels such as 32px, or a fraction such as 20%. Got 'nan.'."),
        (float("inf"), "window must be in (0, 1] as a fraction of the side; an int is pixels. Got inf."),
        (
            Fraction(10**400),
            f"window must be in (0, 1] as a fraction of the side; an int is pixels. Got {Fraction(10**400)!r}.",
        ),
        ("wide", "window must be pixels such as 32px, or a fraction such as 20%. Got 'wide'."),
        ("2.5px", "window must be pixels such as 32px, or a fraction such as 20%. Got '2.5px'."),
        ("", "window must be pixels such as 32px, or a fraction such as 20%. Got ''."),
        ("must", "window must be pixels such as 32px, or a fraction such as 20%. Got 'must'."),
        (True, "window must be pixels (an int) or a fraction (a float). Got True."),
        (None, "window must be pixels (an int) or a fraction (a float). Got None."),
        ([3], "window must be pixels (an int) or a fraction (a float). Got [3]."),
        (
            Extent(3.0, True),
            "window must be in (0, 1] as a fraction of the side; an int is pixels. Got "
            + repr(Extent(3.0, True))
            + ".",
        ),
        (Extent(0, False), "window must be at least 1 pixel. Got " + repr(Extent(0, False)) + "."),
        (Extent(0.5, False), "window must be at least 1 pixel. Got " + repr(Extent(0.5, False)) + "."),
    ],
)
def test_a_bad_length_is_named(written: Any, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        Wired.read({"window": written})
    assert str(error.value) == said


def test_the_form_and_the_schema_know_a_length() -> None:
    field = Wired.model_json_schema()["properties"]["window"]
    assert field["type"] == "string"
    assert field["format"] == "extent"
    assert field["default"] == "20%"


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": 0}, "count must be greater than or equal to 1. Got 0."),
        ({"count": 10}, "count must be less than or equal to 9. Got 10."),
        ({"count": "many"}, "count must be a valid integer, unable to parse string as an integer. Got 'many'."),
        ({"count": 1.5}, "count must be a valid integer, got a number with a fractional part. Got 1.5."),
        ({"share": 0}, "share must be greater than 0. Got 0."),
        ({"fill": "pink"}, "fill must be 'grey' or 'black'. Got 'pink'."),
        ({"fill": None}, "fill must be 'grey' or 'black'. Got None."),
        ({"deep": (1, "x")}, "deep.1 must be a valid integer, unable to parse string as an integer. Got 'x'."),
        ({"cuont": 3}, "There is no setting 'cuont'. Known: count, share, fill, deep, grid."),
        ({"grid": 3, "count": 4}, "grid excludes count: give one of them."),
        (
            {"count": 0, "fill": "pink"},
            "count must be greater than or equal to 1. Got 0.; fill must be 'grey' or 'black'. Got 'pink'.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_that_names_what_it_got(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        Various.read(values)
    assert str(error.value) == said
    assert error.value.code == "bad-settings"


def test_a_setting_without_default_must_be_given() -> None:
    with pytest.raises(SettingsError, match=r"^layer must be given\.$"):
        Demanding.read({})


def test_settings_without_fields_say_so() -> None:
    with pytest.raises(SettingsError, match=r"^There is no setting 'window'\. Known: none\.$"):
        Settings.read({"window": 3})


def test_settings_cannot_be_changed_and_are_read_from_any_mapping() -> None:
    settings = Various.read({"count": "3", "share": 2})
    assert (settings.count, settings.share) == (3, 2.0)
    with pytest.raises(ValidationError, match="frozen"):
        settings.count = 4


def test_a_default_that_is_not_allowed_is_noticed() -> None:
    class Wrong(Settings):
        count: int = Field(0, ge=1)

    with pytest.raises(SettingsError, match="count must be greater"):
        Wrong.read({})
