"""The examples in docstrings run."""

import doctest
import importlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.testing import check_model, check_visualization
from tests.docs.blocks import folder_of_its_own

SOURCE = Path(picasso.__file__).parent
MODULES = sorted(
    ".".join(("picasso", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path) -> None:
    names = {public: getattr(picasso, public) for public in picasso.__all__}
    names |= {"np": np, "check_model": check_model, "check_visualization": check_visualization}
    with folder_of_its_own(tmp_path):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)).save("photo.jpg")
        with av.open("drive.mp4", "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.height = stream.width = 96
            container.mux(stream.encode(av.VideoFrame.from_image(Image.open("photo.jpg"))))
            container.mux(stream.encode())
        failed, tried = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert tried
    assert not failed
