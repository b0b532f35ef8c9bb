"""What the tests of contracts share."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image


@pytest.fixture(autouse=True, scope="module")
def compressed_little() -> Iterator[None]:
    """Compress PNG as quickly as it goes: thousands of maps are drawn here, and no contract asks for small files."""
    Image.init()
    write = Image.SAVE["PNG"]

    def quickly(image: Image.Image, *arguments: Any) -> None:
        image.encoderinfo.setdefault("compress_level", 1)
        write(image, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Image.SAVE, "PNG", quickly)
        yield
