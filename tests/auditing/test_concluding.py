"""What the findings of an audit say of its pictures and regions, so that another audit can be held beside it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.auditing.concluding import _left_out, _regions
from picasso.auditing.findings import Findings
from picasso.auditing.gallery import Parts
from picasso.auditing.moved import AuditsError, compare_findings
from picasso.auditing.regions.kinds import find_kinds
from picasso.auditing.running import audit
from picasso.core.dataset import Dataset, Example, Skipped
from picasso.core.dataset.sources import File
from tests.auditing import drawn, scenes


def _audit(folder: Path, **choices: Any) -> Findings:
    return audit(drawn.model(drawn.by_the_top), folder, interventions=("luminance",), maps=False, **choices)


def test_audits_of_the_same_pictures_can_be_compared_wherever_they_lie(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path / "one", 80, 1.0)
    (folder / "disc" / "readme.txt").write_text("no picture")
    first = _audit(folder)
    assert first.record["regions"] is None
    assert (
        "Left out: 1 of the data set's 81 entries, disc/readme.txt: Its name does not end as a picture's does."
        in first.notes
    )
    other = shutil.copytree(folder, tmp_path / "other")
    for file in other.rglob("*.png"):
        os.utime(file, (1e9, 1e9))
    again = _audit(other, seed=3)
    assert again.record["dataset"]["digest"] != first.record["dataset"]["digest"]
    compare_findings(first.document(), again.document())
    some = _audit(folder, limit=70)
    assert some.record["dataset"]["digest"] == first.record["dataset"]["digest"]
    with pytest.raises(AuditsError, match="different pictures"):
        compare_findings(first.document(), some.document())


def test_the_record_tells_kinds_of_regions_apart() -> None:
    def found(side: int = 48, seed: int = 0, pictures: int = 24) -> dict[str, Any]:
        scene = scenes.draw(pictures, side=side)
        said = _regions(Parts(find_kinds(list(scene.views), scene.labels, seed)))
        assert said is not None
        return said

    first = found()
    assert found() == first
    assert len(first["names"]) >= 2
    assert len({one["digest"] for one in (first, found(side=64), found(pictures=20))}) == 3
    assert _regions(None) is None


def test_what_differs_in_the_last_digits_alone_is_the_same_kind() -> None:
    scene = scenes.draw(24, side=48)
    kinds = find_kinds(list(scene.views), scene.labels)
    near = replace(kinds, presence=np.asarray(kinds.presence + 1e-9))
    other = replace(kinds, presence=np.asarray(kinds.presence + 0.1))
    digests = [_regions(Parts(one)) for one in (kinds, near, other)]
    assert digests[0] == digests[1] != digests[2]


def test_what_is_no_example_is_said_with_its_classes() -> None:
    examples = (Example("a/1.png", "a", File(Path("x"), 1, 1)),)
    skipped = (Skipped("a/2.png", "It is empty.", "a"), Skipped("b/3.png", "No.", "b"), Skipped("b/4.png", "No.", "b"))
    dataset = Dataset("set", ("a",), examples, (*skipped, Skipped("loose.png", "No.")))
    assert _left_out(dataset) == [
        "Left out: 4 of the data set's 5 entries (b: 2, a: 1), the first: a/2.png: It is empty."
    ]
    assert _left_out(replace(dataset, skipped=())) == []
