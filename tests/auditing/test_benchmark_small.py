"""The benchmark of the audit, small: it trains models, finds the planted reason, goes on where it stopped, reports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tank_test import auditing, design, losses, measures, naming, peers, report, spray
from benchmarks.tank_test.auditing import Mode
from benchmarks.tank_test.audits import Audit, audits_of
from benchmarks.tank_test.design import Case, Sort
from benchmarks.tank_test.records import Record, Records
from benchmarks.tank_test.running import PARTS, SMALL, audit_scenes, run, tasks
from benchmarks.tank_test.training import trained
from picasso.demo.planted.kinds import KINDS
from picasso.demo.planted.scenes import scenes

MEASURED = ("models", "peers", "audit-masks")
KEPT = ("truth", "truth-again", "peers", "audit-masks")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tank_test")
    run(design.small(), MEASURED, made, Records(made), processes=0, effort=SMALL)
    return made


def test_planted_models_are_found_and_honest_ones_are_not_accused(folder: Path) -> None:
    records = Records(folder)
    for case in design.small():
        truth, audit = records.get(case, "truth"), records.get(case, "audit-masks")
        assert truth is not None
        assert audit is not None
        if case.planted:
            assert truth.found["reliance"] >= 0.15
            assert audit.found["flagged"]
            assert naming.named(case.kinds, audit.found, 3)
        elif abs(truth.found["reliance"]) <= 0.15:  # random labels may go with anything
            assert not audit.found["flagged"]


def test_nothing_is_measured_twice_and_a_broken_line_is_measured_again(folder: Path) -> None:
    cases, records = design.small(), Records(folder)
    assert not list(tasks(cases, MEASURED, records, SMALL))
    lines = records.file.read_text("utf-8").splitlines()
    assert len(lines) == len(KEPT) * len(cases)
    other = folder / "other"
    other.mkdir()
    (other / "results.jsonl").write_text("\n".join([*lines[:-1], lines[-1][:40]]), "utf-8")
    (missing,) = tasks(cases, MEASURED, Records(other), SMALL)
    assert missing.part == "audit-masks"
    run(cases, MEASURED, folder, records, processes=0, effort=SMALL)
    assert len(records.file.read_text("utf-8").splitlines()) == len(lines)


def test_published_results_are_gone_on_from_and_newer_ones_count(folder: Path, tmp_path: Path) -> None:
    cases, published = design.small(), tmp_path / "results.jsonl"
    Records(folder).publish(cases[:2], published)
    assert len(published.read_text("utf-8").splitlines()) == 2 * len(KEPT)
    records = Records(tmp_path / "new", published)
    assert {task.case for task in tasks(cases, MEASURED, records, SMALL)} == set(cases[2:])
    newer = Record(cases[0], "truth", "2", 1.0, {"reliance": 0.5})
    records.put(newer)
    assert Records(tmp_path / "new", published).get(cases[0], "truth") == newer


def test_a_cached_model_answers_as_before(folder: Path) -> None:
    case = design.small()[0]
    pixels = audit_scenes(case, 20).pixels
    one, other = (trained(case, folder / "models", SMALL.recipe) for _ in range(2))
    from benchmarks.tank_test.training import answers

    np.testing.assert_array_equal(answers(one, pixels), answers(other, pixels))
    assert len(list((folder / "models").iterdir())) == len(design.small())


def test_the_section_says_what_was_found_and_keeps_the_page_around_it(folder: Path) -> None:
    cases = design.small()
    text = report.section(Records(folder), cases)
    assert "| planted | 2 |" in text
    assert "| Sky | 1, 1, " in text
    assert "### Against what others do" in text
    page = f"# Page\n\n{report.BEGIN}\nOutdated.\n{report.END}\n\nAfter.\n"
    once = report.with_section(page, text)
    assert once.startswith("# Page\n\n")
    assert once.endswith("\n\nAfter.\n")
    assert "Outdated." not in once
    assert report.with_section(once, text) == once
    with pytest.raises(ValueError, match="no marks"):
        report.with_section("# Page\n", text)


def test_losses_are_named(tmp_path: Path) -> None:
    planted = Case(Sort.PLANTED, ("jpeg",), 1.0, 2, "small-cnn", 1)
    honest = Case(Sort.INNOCENT, ("sky",), 0.9, 2, "small-cnn", 1002)
    records = Records(tmp_path)
    for case, reliance, flagged in ((planted, 0.6, False), (honest, 0.0, True)):
        drops = {"border": (0.2, 0.1, 0.3, 1e-9, 0.02) if flagged else (0.01, 0.0, 0.02, 0.5, 0.02)}
        ranked = ["border"] if flagged else []
        found = {"outcome": "wrong-reason" if flagged else "cannot-tell", "flagged": flagged, "ranked": ranked}
        found |= {"named": ranked[0] if ranked else None, "drops": drops, "iou": {}, "clue": None}
        for part in ("truth", "truth-again"):
            records.put(Record(case, part, "1", 1.0, {"accuracy": 0.9, "reliance": reliance, "each": {}}))
        records.put(Record(case, "audit-masks", "1", 1.0, found))
        records.put(Record(case, "audit-none", "1", 1.0, found))
    text = report.section(Records(tmp_path), (planted, honest))
    assert "| masks | all | 1 + 1 | 0.000 (0.000 to 0.000) |" in text
    assert "- **AUROC with masks is 0.000; the goal is 0.98.**" in text
    assert "- Missed (masks): planted, jpeg, strength 1, 2 classes, small-cnn, number 1; in truth 0.60;" in text
    assert (
        "- Falsely flagged (masks): innocent, sky, strength 0.9, 2 classes, small-cnn, number 2; in truth 0.00;" in text
    )
    # With nothing said of the objects an honest model relies on something, too: only what is missed is a loss.
    assert "| none |" not in text
    assert "Missed (none)" in text
    assert "flagged (none)" not in text
    assert (
        "| What it says | The largest drop | The truth, measured again | The truth, with 0 for every control |" in text
    )
    assert "4 of these audits were done by an earlier version of the audit." in text
    truths = {case.key: record for case in (planted, honest) if (record := records.get(case, "truth"))}
    assert [audit.again for audit in audits_of(Records(tmp_path), (planted, honest), truths, "audit-masks")] == [
        0.6,
        0.0,
    ]
    assert "| small-cnn | 1 + 1 | 0.000 (0.000 to 0.000) | 0 of 1 (0 to 98 %) | 1 of 1 (2 to 100 %) | – | – |" in text


def test_an_order_that_is_missed_stands_beside_the_one_that_can_be_had() -> None:
    truths = [*np.linspace(0.9, 0.2, 8), *np.linspace(-0.02, 0.02, 8)]
    audits = []
    for number, truth in enumerate(truths):
        case = Case(Sort.PLANTED if truth > 0.1 else Sort.CLEAN, ("sky",), 1.0, 2, "small-cnn", number)
        found = {"flagged": False, "ranked": ["sky"], "drops": {"sky": (number % 5 / 10, 0.0, 0.2, 1.0, 0.1)}}
        audits.append(Audit(case, truth, None, found))
    known = measures.spearman([max(truth, 0.1) for truth in truths], truths).value
    assert 0.9 < known < 1
    lines = list(losses.missed_goals(dict.fromkeys(Mode, audits), len(audits)))
    assert any(line.endswith(f"and acquitted every control would come to {known:.2f}.") for line in lines)


def test_the_design_is_whole() -> None:
    cases = design.design()
    assert len({case.key for case in cases}) == 300
    assert sum(case.planted for case in cases) == 150
    assert cases[:48] == design.design(24, 24)
    planted = [case for case in cases if case.planted]
    for half in (planted, planted[:75]):
        for name in KINDS:
            own = [case for case in half if case.kinds == (name,)]
            assert len(own) >= len(half) // 16
            assert len({case.network for case in own}) == 3
            assert len({case.rho for case in own}) >= 3
            assert {case.classes for case in own} == {2, 6}
    assert {case.rho for case in planted} == {1, 0.95, 0.9, 0.8, 0.7}
    assert all({case.kinds for case in planted} >= {pair} for pair in design.PAIRS)
    controls = [case for case in cases if not case.planted]
    assert {sort: sum(case.sort is sort for case in controls) for sort in Sort} == {
        Sort.PLANTED: 0,
        Sort.CLEAN: 60,
        Sort.INNOCENT: 60,
        Sort.POOR: 15,
        Sort.RANDOM: 15,
    }
    assert all(case.training_ties == {} for case in controls if case.sort is not Sort.RANDOM)


def test_pictures_reach_the_audit_as_they_were_drawn(tmp_path: Path) -> None:
    drawn = scenes(6, seed=1)
    data = auditing.dataset(drawn, Mode.MASKS, tmp_path)
    for i, example in enumerate(data.examples):
        picture = data.picture(example)
        np.testing.assert_array_equal(picture.pixels, drawn.pixels[i])
        np.testing.assert_array_equal(data.object_mask(example, picture), drawn.masks[i])
    boxed = auditing.dataset(drawn, Mode.BOXES, tmp_path)
    for i, example in enumerate(boxed.examples):
        mask = boxed.object_mask(example, boxed.picture(example))
        assert mask is not None
        assert not (drawn.masks[i] & ~mask).any()
        assert mask.sum() < 4 * drawn.masks[i].sum()
    assert all(
        example.mask is None and not example.boxes for example in auditing.dataset(drawn, Mode.NONE, tmp_path).examples
    )


def test_the_statistics_are_right() -> None:
    assert measures.auroc([2, 3], [1, 2]) == 0.875
    assert np.isnan(measures.auroc([], [1]))
    assert measures.found_at([0.5, 2, 3], [*range(-18, 0), 1, 4], 0.05) == 2 / 3
    zero = measures.share(0, 150)
    assert zero.low == 0
    assert zero.high == pytest.approx(1 - 0.025 ** (1 / 150))
    assert measures.upper_bound(0, 150) == pytest.approx(1 - 0.05 ** (1 / 150))
    assert measures.upper_bound(6, 150) < 0.08
    found = measures.bootstrapped(measures.auroc, np.arange(20) + 5.0, np.arange(20.0))
    assert found.low < found.value < found.high
    assert measures.spearman([1, 2, 3, 4], [1, 4, 9, 16]).value == pytest.approx(1)
    assert np.isnan(measures.spearman([1, 1, 1], [1, 2, 3]).value)


def test_peers_measure_what_they_say() -> None:
    drawn = scenes(60, seed=4, ties={"sky": 1.0})
    assert peers.probe(drawn) > 0.95
    assert 0.2 < peers.probe(scenes(60, seed=4)) < 0.8
    erased = peers.without_objects(drawn)
    assert (erased != drawn.pixels)[drawn.masks].mean() > 0.8
    far = ~drawn.footprint("object-size")
    assert (erased == drawn.pixels)[far].mean() > 0.95
    swapped = peers.in_other_contexts(drawn)
    np.testing.assert_array_equal(swapped[drawn.masks], drawn.pixels[drawn.masks])
    groups = np.zeros((40, 64, 64), np.float32)
    groups[:20, :8], groups[20:, -8:] = 1, 1
    groups += np.random.default_rng(0).random(groups.shape, np.float32) * 0.1
    mixed = np.random.default_rng(0).random(groups.shape, np.float32)
    assert spray.eigengap(groups) > 1.5 * spray.eigengap(mixed)
    assert set(PARTS) > {"models", "peers", "audit-masks", "audit-boxes", "audit-none"}


def test_the_search_for_regions_counts_where_objects_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {mode: auditing.version(mode) for mode in Mode}
    assert before[Mode.MASKS] == before[Mode.BOXES] != before[Mode.NONE] == before[Mode.CONFIRMED]
    read = Path.read_text

    def changed(file: Path, *given: Any) -> str:
        return read(file, *given) + ("\nMORE = 1\n" if file.name == name else "")

    monkeypatch.setattr(Path, "read_text", changed)
    moving = {"frame.py": {Mode.CONFIRMED, Mode.NONE}, "confirming.py": set(Mode), "verdict.py": set(Mode)}
    for name, modes in moving.items():  # noqa: B007 (read by `changed`)
        assert {mode for mode in Mode if auditing.version(mode) != before[mode]} == modes


def test_what_is_written_for_people_makes_no_other_version() -> None:
    source = '"""A file."""\n\ndef f(x: int) -> str:\n    """Say."""\n    return " ".join(["a"] * x)  # twice\n'
    same = '"""Another."""\ndef f(x: int) -> str:\n    return " ".join(["a"] * x)\n'
    assert auditing._bare(source) == auditing._bare(same)
    for changed in (source.replace('" "', '"\\n"'), source.replace("* x", "* 2 * x")):
        assert auditing._bare(changed) != auditing._bare(source)
