"""Try everything and write what came out: `python -m tests.matrix [formats] [architectures] [measure] [occlusion]`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.matrix import occlusion, page
from tests.matrix.architectures import ABSENT, FRAMEWORKS, NAMES
from tests.matrix.formats import FORMATS, PREPROCESSING
from tests.matrix.trying import try_architecture, try_format

FILE = Path(__file__).resolve().parents[2] / "docs" / "matrix.json"


def formats() -> dict[str, Any]:
    found = {}
    for name, make in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            case = make(Path(folder))
            found[name] = try_format(case, PREPROCESSING)
            case.close()
            print(name, found[name], flush=True)
    return found


def architectures() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for framework, opened in FRAMEWORKS.items():
        found[framework] = {}
        for name in NAMES:
            with tempfile.TemporaryDirectory() as folder:
                absent = ABSENT.get((name, framework))
                word = absent or try_architecture(opened(name, Path(folder)))
            found[framework][name] = word
            print(framework, name, word, flush=True)
    return found


def occluded() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for framework in occlusion.FRAMEWORKS:
        found[framework] = {}
        for name in occlusion.NAMES:
            with tempfile.TemporaryDirectory() as folder:
                found[framework][name] = occlusion.try_cell(framework, name, Path(folder))
            print(framework, name, found[framework][name], flush=True)
    return found


def measure() -> dict[str, Any]:
    """Open each file in a process of its own: seconds with and without the framework's import, and memory."""
    found = {}
    for name, make in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            case = make(Path(folder))
            if isinstance(case.source, str | Path) and Path(case.source).exists():
                words = [str(case.source), json.dumps({k: v for k, v in case.options.items() if v})]
                runs = [
                    subprocess.run(
                        [sys.executable, "-m", "tests.matrix.measuring", *words],
                        capture_output=True, text=True, check=True,
                    )
                    for _ in range(3)
                ]  # fmt: skip
                numbers = [json.loads(run.stdout.splitlines()[-1]) for run in runs]
                found[name] = {key: min(one[key] for one in numbers) for key in numbers[0]}
                print(name, found[name], flush=True)
            case.close()
    return found


TABLES = {"formats": formats, "architectures": architectures, "measure": measure, "occlusion": occluded}


def main() -> None:
    wanted = sys.argv[1:] or TABLES
    known = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
    for name in wanted:
        known[name] = TABLES[name]()
    FILE.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", "utf-8")
    page.write(known)


if __name__ == "__main__":
    main()
