"""Whole audits of models that rely on one thing by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.choices import Choices
from picasso.auditing.experiment import SHARD
from picasso.auditing.findings import Findings, Outcome
from picasso.auditing.measuring import Measuring
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.running import audit, ignore
from picasso.auditing.shelf import Shelf
from picasso.core import registry
from picasso.core.dataset import read_dataset
from picasso.core.errors import CanceledError, ConfigurationError, DatasetError
from picasso.core.interventions.intervention import Need, Role
from tests.auditing import drawn


@pytest.fixture(scope="session")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.write(tmp_path_factory.mktemp("tied"), 100, tied=1.0)


@pytest.fixture(scope="session")
def free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.write(tmp_path_factory.mktemp("free"), 180, tied=0.5)


def _effect(findings: Findings, name: str) -> float:
    found = findings.effect(name)
    assert found is not None
    return found.drop.value


def test_what_hangs_on_the_top_is_named(tied: Path) -> None:
    findings = audit(drawn.model(drawn.by_the_top), tied)
    assert findings.verdict.outcome is Outcome.WRONG_REASON
    assert findings.verdict.named is not None
    assert "top" in findings.verdict.named.phrase
    assert findings.verdict.reliance is not None
    assert findings.verdict.reliance.value > 0.9
    assert _effect(findings, "band-bottom") == 0
    assert _effect(findings, "object-swap") == 0
    best = findings.pairs[0]
    before, after = best.probabilities
    assert np.argmax(before) == best.label != np.argmax(after)
    assert findings.by_picture[0].flips
    assert sum(one.flips for one in findings.by_picture) >= 0.9 * len(findings.by_picture)


def test_what_hangs_on_the_object_is_acquitted(free: Path) -> None:
    findings = audit(drawn.model(drawn.by_the_object), free, maps=False)
    assert findings.accuracy.value > 0.97
    assert findings.verdict.outcome is Outcome.RIGHT_REASON, findings.verdict
    assert _effect(findings, "object-swap") > 0.9
    assert _effect(findings, "erasure") > 0.3
    assert not findings.suspects


def test_what_was_asked_for_is_not_all_and_acquits_nobody(free: Path) -> None:
    findings = audit(drawn.model(drawn.by_the_object), free, interventions=("luminance", "object-swap"), maps=False)
    assert _effect(findings, "object-swap") > 0.9
    assert {one.what.name for one in findings.effects if one.on_object} == {"object-swap"}
    assert findings.verdict.outcome is Outcome.CANNOT_TELL
    assert "asked for" in findings.verdict.sentence
    tested = sum(one.role.accuses for one in findings.effects)
    battery = [entry.load()() for entry in registry.interventions().values()]
    every = [
        property
        for one in battery
        if one.role.accuses and Need.REGIONS not in one.needs
        for property in one.properties((drawn.SIDE, drawn.SIDE), ())
    ]
    assert any(f"Only {tested} of {len(every)} properties" in reason for reason in findings.verdict.reasons)
    assert findings.record["choices"]["interventions"] == ["luminance", "object-swap"]


def test_all_interventions_by_their_names_are_all(tied: Path) -> None:
    for names, whole in ((tuple(registry.interventions()), True), (("bands",), False)):
        choices = Choices(interventions=names)
        measuring = Measuring(drawn.model(drawn.by_the_top), ("", {}), read_dataset(tied), choices, Shelf(None), ignore)
        measuring._questions(Confirmed(masks=True), None)
        assert (measuring.unasked == 0) is whole


def test_what_hangs_on_both_says_both(tied: Path) -> None:
    findings = audit(drawn.model(drawn.by_both), tied, maps=False)
    assert findings.verdict.outcome is Outcome.BOTH, findings.verdict


def test_a_model_at_chance_is_accused_of_nothing(free: Path) -> None:
    findings = audit(drawn.model(drawn.by_nothing), free, maps=False)
    assert findings.verdict.outcome is Outcome.WEAK_MODEL
    assert findings.verdict.named is None


def test_a_data_set_that_carries_the_proxy_does_not_convict_a_model_that_ignores_it(tied: Path) -> None:
    findings = audit(drawn.model(drawn.by_the_object), tied, maps=False)
    assert findings.verdict.outcome in (Outcome.RIGHT_REASON, Outcome.CANNOT_TELL)
    assert not findings.suspects
    assert any(clue.telling for clue in findings.clues)


def test_equal_audits_are_equal_and_what_was_kept_is_not_measured_again(tied: Path, tmp_path: Path) -> None:
    calls = []

    def counted(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return drawn.by_the_top(x)

    model = drawn.model(counted)
    first = audit(model, tied, kept=tmp_path / "kept", interventions=("bands", "luminance"), maps=False)
    measured = sum(calls)
    second = audit(model, tied, kept=tmp_path / "kept", interventions=("bands", "luminance"), maps=False)
    assert sum(calls) - measured < measured / 4  # the pairs that are shown are made again
    assert first.document() == second.document()
    again = audit(model, tied, interventions=("bands", "luminance"), maps=False)
    assert first.document() == again.document()
    other = audit(model, tied, kept=tmp_path / "kept", interventions=("bands", "luminance"), maps=False, seed=1)
    assert other.document() != first.document()


def test_a_stopped_audit_goes_on_where_it_was(tied: Path, tmp_path: Path) -> None:
    model = drawn.model(drawn.by_the_top)
    seen: list[str] = []

    def stop(done: int, total: int, message: str) -> None:
        assert 0 <= done <= total
        seen.append(message)
        if seen.count("Trying everything") > 3:
            raise CanceledError("The audit was stopped.")

    with pytest.raises(CanceledError):
        audit(model, tied, kept=tmp_path, report=stop, interventions=("bands",))
    kept = len(list(tmp_path.glob("*.npz")))
    assert kept >= 100 // SHARD + 2
    whole = audit(model, tied, kept=tmp_path, interventions=("bands",))
    assert whole.document() == audit(model, tied, interventions=("bands",)).document()


def test_processes_measure_the_same(tied: Path, tmp_path: Path) -> None:
    source = tmp_path / "top.py"
    source.write_text(
        f"""
from picasso.plugin import ModelFile, Preprocessing
from tests.auditing import drawn

class Top(ModelFile):
    labels = {drawn.CLASSES}
    head = "none"
    preprocessing = Preprocessing(size={drawn.SIDE})

    def load(self):
        return drawn.by_the_top
""",
        "utf-8",
    )
    alone = audit(f"{source}:Top", tied, interventions=("bands", "object-swap"), maps=False)
    together = audit(f"{source}:Top", tied, interventions=("bands", "object-swap"), maps=False, processes=2)
    assert alone.document() == together.document()


def test_every_choice_is_in_the_record(tied: Path) -> None:
    findings = audit(drawn.model(drawn.by_the_top), tied, interventions=("bands",), seed=3)
    record = findings.record
    assert record["choices"]["seed"] == 3
    assert record["dataset"]["audited"] == 100
    assert record["thresholds"]["DROP"] == 0.05
    assert {"picasso", "numpy", "python"} <= set(record["versions"])


# --- bad input ----------------------------------------------------------------------------------------------------


def test_one_class_is_refused(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    for file in (tmp_path / "disc").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match="compares classes"):
        audit(drawn.model(drawn.by_the_top), tmp_path)


def test_few_pictures_are_refused_with_how_many_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least 64"):
        audit(drawn.model(drawn.by_the_top), drawn.write(tmp_path, 40, 1.0))
    with pytest.raises(DatasetError, match="at least 10"):
        audit(drawn.model(drawn.by_the_top), drawn.write(tmp_path / "few", 3, 1.0))


def test_unreadable_pictures_are_left_out_and_listed(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    (tmp_path / "disc" / "0001.png").write_bytes(b"not a picture")
    Image.new("L", (5, 5)).save(tmp_path / "masks" / "0002.png")
    findings = audit(drawn.model(drawn.by_the_top), tmp_path, interventions=("bands",))
    assert sum(findings.counts) == 78
    assert any("0001.png" in note for note in findings.notes)
    assert any("0002.png" in note for note in findings.notes)


def test_labels_that_the_model_does_not_know_are_asked_for(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    (tmp_path / "disc").rename(tmp_path / "plate")
    with pytest.raises(DatasetError, match="plate"):
        audit(drawn.model(drawn.by_the_top), tmp_path)
    findings = audit(drawn.model(drawn.by_the_top), tmp_path, match={"plate": "disc"}, interventions=("bands",))
    assert findings.classes == ("cross", "plate")
    assert findings.accuracy.value == 1


def test_duplicates_are_said(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    (tmp_path / "cross" / "copy.png").write_bytes((tmp_path / "disc" / "0001.png").read_bytes())
    (tmp_path / "masks" / "copy.png").write_bytes((tmp_path / "masks" / "0001.png").read_bytes())
    findings = audit(drawn.model(drawn.by_the_top), tmp_path, interventions=("bands",))
    assert any("copy.png" in note and "0001.png" in note for note in findings.notes)


def test_a_tiny_class_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    (tmp_path / "ring").mkdir()
    Image.new("RGB", (48, 48)).save(tmp_path / "ring" / "a.png")
    Image.new("L", (48, 48), 255).save(tmp_path / "masks" / "a.png")
    three = lambda x: np.concatenate([drawn.by_the_top(x), np.full((len(x), 1), -99)], axis=1)  # noqa: E731
    model = drawn.model(three, labels=(*drawn.CLASSES, "ring"))
    findings = audit(model, tmp_path, interventions=("bands",))
    assert findings.classes == drawn.CLASSES
    assert any("ring (1)" in note for note in findings.notes)


def test_an_unknown_choice_is_refused(tied: Path) -> None:
    with pytest.raises(Exception, match="no intervention 'nonsense'"):
        audit(drawn.model(drawn.by_the_top), tied, interventions=("nonsense",))
    with pytest.raises(ConfigurationError, match="nothing to test"):
        audit(drawn.model(drawn.by_the_top), tied, interventions=("region",))


def test_without_masks_the_region_is_named_but_nobody_is_convicted(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path, 100, 1.0, masks=False)
    findings = audit(drawn.model(drawn.by_the_top), folder)
    assert findings.verdict.outcome is Outcome.RELIES_ON
    assert "top" in findings.verdict.headline
    assert not [one for one in findings.effects if one.role is Role.OBJECT]


def test_pictures_without_a_mask_do_not_convict_an_honest_model(tmp_path: Path) -> None:
    folder = drawn.write(tmp_path, 180, 0.5)
    for number in range(0, 180, 7):
        (folder / "masks" / f"{number:04d}.png").unlink()
    findings = audit(drawn.model(drawn.by_the_object), folder, maps=False)
    assert not findings.suspects
    assert findings.verdict.outcome is Outcome.RIGHT_REASON
    assert any("no mask" in note for note in findings.notes)


def test_a_class_that_cannot_be_read_ends_the_audit_with_its_name(tmp_path: Path) -> None:
    drawn.write(tmp_path, 140, 1.0)
    for number, file in enumerate(sorted((tmp_path / "disc").iterdir())):
        if number >= 4:
            file.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="'disc' only 4"):
        audit(drawn.model(drawn.by_the_top), tmp_path, interventions=("bands",))


def test_why_nothing_could_be_read_is_said(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0, masks=False)
    for picture in tmp_path.rglob("*.png"):
        picture.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"would be 0\..* 80 could not be read, the first: "):
        audit(drawn.model(drawn.by_the_top), tmp_path, maps=False)


def test_where_masks_say_it_no_region_is_confirmed(tied: Path) -> None:
    with pytest.raises(ConfigurationError, match="no regions are looked for"):
        audit(drawn.model(drawn.by_the_top), tied, maps=False, confirmed={"region-77": True})


def test_an_unreadable_picture_takes_no_pairs_away(tmp_path: Path) -> None:
    drawn.write(tmp_path, 80, 1.0)
    (tmp_path / "disc" / "0001.png").write_bytes(b"not a picture")
    assert audit(drawn.model(drawn.by_the_top), tmp_path, interventions=("bands",), maps=False).pairs


def test_a_weak_model_is_named_nothing_and_writes_nothing(free: Path, tmp_path: Path) -> None:
    model = drawn.model(lambda x: drawn.by_the_top(x) * np.array([[1.0, -1.0]]) + drawn.by_nothing(x))
    findings = audit(model, free, counterfactuals=tmp_path / "more", maps=False)
    assert findings.verdict.outcome is Outcome.WEAK_MODEL
    assert not findings.suspects
    assert not findings.by_picture
    assert not (tmp_path / "more").exists()
