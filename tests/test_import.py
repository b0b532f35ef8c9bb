"""Importing the package is cheap: it loads no framework, and nothing heavy before it is used."""

import json
import subprocess
import sys

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime"}
HEAVY = {"numpy", "PIL", "pydantic", "fastapi", "sqlalchemy", "scipy", "matplotlib", "sklearn"}
DECODERS = {"tifffile", "imagecodecs", "pydicom", "av"}


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_import_loads_nothing_heavy() -> None:
    assert not modules_after("import picasso") & (FRAMEWORKS | HEAVY | DECODERS)


def test_plugin_door_loads_no_framework() -> None:
    loaded = modules_after("import picasso.plugin")
    assert not loaded & FRAMEWORKS
    assert not {"scipy", "skimage"} & loaded


def test_public_names_load_no_framework() -> None:
    statement = "import picasso\nfor name in picasso.__all__: getattr(picasso, name)"
    assert not modules_after(statement) & (FRAMEWORKS | DECODERS)


def test_visualizations_load_no_framework() -> None:
    assert not modules_after("from picasso.core import registry\nregistry.visualizations()") & FRAMEWORKS
