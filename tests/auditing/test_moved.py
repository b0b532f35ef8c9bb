"""Whether retraining moved the evidence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from picasso.auditing.findings import Findings, Interval, Outcome
from picasso.auditing.moved import OTHER_REGIONS, AuditsError, Shift, Way, compare_findings, difference, read_audit
from picasso.core.interventions.intervention import Property
from tests.auditing.making import BLUR, CORNER, NOISE, SKY, effect, findings
from tests.auditing.test_report import HOSTILE, Page


def audit(outcome: Outcome, sky: Interval, *, suspect: bool, **other: object) -> Findings:
    known = findings(outcome)
    effects = (replace(effect(SKY, sky.value, suspect=suspect), drop=sky), *known.effects[1:])
    record = known.record | {"regions": {"names": ["the sky"], "digest": "r1"}}
    return replace(known, **{"effects": effects, "record": record} | other)  # type: ignore[arg-type]


WRONG = audit(Outcome.WRONG_REASON, Interval(0.41, 0.33, 0.49), suspect=True)
RIGHT = audit(Outcome.RIGHT_REASON, Interval(0.01, -0.02, 0.04), suspect=False, accuracy=Interval(0.93, 0.88, 0.96))


def test_the_difference_has_the_interval_reckoned_by_hand() -> None:
    found = difference(Interval(0.4, 0.3, 0.52), Interval(0.1, 0.06, 0.15))
    assert found.value == pytest.approx(-0.3)
    assert found.low == pytest.approx(-0.3 - math.sqrt(0.04**2 + 0.12**2))
    assert found.high == pytest.approx(-0.3 + math.sqrt(0.05**2 + 0.10**2))


def test_a_mended_model_moved_the_evidence() -> None:
    moved = compare_findings(WRONG.document(), RIGHT.document())
    assert moved.shift is Shift.MOVED
    sky = moved.moves[0]
    assert (sky.name, sky.suspect, sky.way) == ("region-0", (True, False), Way.LESS)
    assert sky.change.value == pytest.approx(-0.40)
    assert sky.change.low == pytest.approx(-0.40 - math.hypot(0.03, 0.08))
    assert sky.change.high == pytest.approx(-0.40 + math.hypot(0.03, 0.08))
    assert moved.accuracy.value == pytest.approx(-0.03)
    assert moved.accuracy.low == pytest.approx(-0.03 - math.hypot(0.05, 0.03))
    assert moved.sentence == (
        "Less hangs on the sky than before: 41 points of accuracy before, 1 now;"
        " the difference is −40 points, −49 … −31."
        " The second model is right for the right reason."
        " Accuracy: 96 % before, 93 % now; the difference is −3 points, −9 … 3."
    )


def test_the_same_audit_twice_has_not_moved() -> None:
    moved = compare_findings(WRONG.document(), WRONG.document())
    assert moved.shift is Shift.STAYED
    assert all(move.way is Way.SAME and move.change.value == 0 for move in moved.moves)
    assert "did not measurably change" in moved.sentence
    assert "still relied on" in moved.sentence


def test_what_got_worse_is_said() -> None:
    back = compare_findings(RIGHT.document(), WRONG.document())
    assert back.shift is Shift.WORSE
    assert back.sentence.startswith("Now the model relies on the sky: 1 point of accuracy before, 41 now.")
    more = audit(Outcome.WRONG_REASON, Interval(0.8, 0.7, 0.9), suspect=True)
    assert compare_findings(WRONG.document(), more.document()).shift is Shift.WORSE


def test_evidence_that_moved_to_another_property_moved_in_part() -> None:
    other = audit(Outcome.WRONG_REASON, Interval(0.01, -0.02, 0.04), suspect=False)
    other = replace(other, verdict=replace(other.verdict, named=CORNER, headline="WRONG REASON: the corner"))
    moved = compare_findings(WRONG.document(), other.document())
    assert moved.shift is Shift.PARTLY
    assert (
        "Now the model relies on what lies in the top left corner: 20 points of accuracy before, 20 now."
        in moved.sentence
    )
    less = audit(Outcome.WRONG_REASON, Interval(0.15, 0.1, 0.2), suspect=True)
    partly = compare_findings(WRONG.document(), less.document())
    assert partly.shift is Shift.PARTLY
    assert "It is still relied on." in partly.sentence


def test_nothing_is_claimed_of_what_cannot_be_told() -> None:
    weak = findings(Outcome.WEAK_MODEL)
    moved = compare_findings(WRONG.document(), weak.document())
    assert moved.shift is Shift.CANNOT_TELL
    assert "too weak" in moved.sentence
    without = replace(RIGHT, effects=RIGHT.effects[1:])
    moved = compare_findings(WRONG.document(), without.document())
    assert moved.shift is Shift.CANNOT_TELL
    assert "The first model relied on the sky, which the second audit did not measure." in moved.sentence
    moved = compare_findings(without.document(), WRONG.document())
    assert moved.shift is Shift.WORSE
    assert "The second model relies on the sky, which was not measured before." in moved.sentence
    unsure = audit(Outcome.CANNOT_TELL, Interval(0.01, -0.02, 0.04), suspect=False)
    assert "its audit cannot tell" in compare_findings(WRONG.document(), unsure.document()).sentence
    assert compare_findings(RIGHT.document(), RIGHT.document()).shift is Shift.NOTHING


TONE = Property("region-tone-0", "Tone of the sky", "the tone of the sky", region=0)


def test_regions_are_compared_only_where_both_audits_found_the_same() -> None:
    before = replace(WRONG, effects=(*WRONG.effects, effect(TONE, 0.1)))
    after = replace(RIGHT, effects=(*RIGHT.effects, effect(TONE, 0.1)))
    same = compare_findings(before.document(), after.document())
    assert {"region-0", "region-tone-0"} <= {move.name for move in same.moves}
    assert same.note == ""
    for regions in (None, {"names": ["the sky"], "digest": "r2"}):
        other = replace(after, record=after.record | {"regions": regions})
        moved = compare_findings(before.document(), other.document())
        assert not {"region-0", "region-tone-0"} & {move.name for move in moved.moves}
        assert set(moved.only_before) & set(moved.only_after) == {"Sky", "Tone of the sky"}
        assert moved.shift is Shift.CANNOT_TELL
        assert "The first model relied on the sky, which cannot be compared." in moved.sentence
        assert moved.note in moved.sentence
        assert moved.note in Page(moved.html()).words
        assert moved.document()["note"] == moved.note == OTHER_REGIONS
    back = compare_findings(replace(after, record=RIGHT.record | {"regions": None}).document(), before.document())
    assert back.shift is Shift.WORSE
    assert "The second model relies on the sky, which cannot be compared." in back.sentence


def test_where_one_audit_has_no_regions_nothing_is_said_of_them() -> None:
    after = replace(RIGHT, effects=RIGHT.effects[1:], record=RIGHT.record | {"regions": None})
    moved = compare_findings(WRONG.document(), after.document())
    assert (moved.note, moved.only_before) == ("", ("Sky",))


def test_what_is_less_and_not_cleared_has_not_moved() -> None:
    surely = audit(Outcome.CANNOT_TELL, Interval(0.2, 0.12, 0.28), suspect=False)
    moved = compare_findings(WRONG.document(), surely.document())
    assert moved.shift is Shift.PARTLY
    assert "It is not gone: 20 points, 12 … 28, are left." in moved.sentence
    perhaps = audit(Outcome.CANNOT_TELL, Interval(0.03, -0.01, 0.07), suspect=False)
    moved = compare_findings(WRONG.document(), perhaps.document())
    assert moved.shift is Shift.CANNOT_TELL
    assert "Whether it is gone these pictures cannot tell: up to 7 points may be left." in moved.sentence
    less = audit(Outcome.RIGHT_REASON, Interval(0.02, 0.01, 0.04), suspect=False)
    moved = compare_findings(WRONG.document(), less.document())
    assert (moved.shift, moved.moves[0].cleared) == (Shift.MOVED, True)
    assert "gone" not in moved.sentence


def test_what_falls_in_one_class_is_not_gone() -> None:
    one = replace(RIGHT, effects=(replace(RIGHT.effects[0], falls=(1,)), *RIGHT.effects[1:]))
    moved = compare_findings(WRONG.document(), one.document())
    assert (moved.shift, moved.moves[0].cleared) == (Shift.PARTLY, False)
    assert 'are left, and surely more than 5 points in the pictures of "decoy".' in moved.sentence


def test_the_pictures_are_compared_by_what_they_hold() -> None:
    def held(contents: str, digest: str) -> dict[str, Any]:
        dataset = {"name": "x", "digest": digest, "contents": contents}
        return replace(WRONG, record=WRONG.record | {"dataset": dataset}).document()

    assert compare_findings(held("c1", "d1"), held("c1", "d2")).shift is Shift.STAYED
    with pytest.raises(AuditsError, match=r"different pictures\..* the same seed and limit"):
        compare_findings(held("c1", "d1"), held("c2", "d1"))


def test_only_what_both_measured_is_compared() -> None:
    before = replace(WRONG, effects=(*WRONG.effects[:3], effect(BLUR, 0.0)))
    after = replace(RIGHT, effects=(*RIGHT.effects[:3], effect(NOISE, 0.0), effect(BLUR, 0.0, pictures=0)))
    moved = compare_findings(before.document(), after.document())
    assert [move.name for move in moved.moves] == ["region-0", "object-swap", "cell-r0c0"]
    assert moved.only_before == ("Blur",)
    assert moved.only_after == ("Noise",)


def test_the_document_is_json() -> None:
    document = compare_findings(WRONG.document(), RIGHT.document()).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["shift"] == "moved"
    assert document["moves"][0]["way"] == "less"
    assert document["before"]["outcome"] == "wrong-reason"


def test_documents_are_read_from_files_and_folders(tmp_path: Path) -> None:
    WRONG.save(tmp_path)
    assert read_audit(tmp_path) == read_audit(tmp_path / "audit.json") == WRONG.document()
    with pytest.raises(AuditsError, match=r"cannot be read"):
        read_audit(tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_text("{", "utf-8")
    with pytest.raises(AuditsError, match=r"bad\.json is not JSON"):
        read_audit(tmp_path / "bad.json")
    (tmp_path / "other.json").write_text('{"format": 1}', "utf-8")
    with pytest.raises(AuditsError, match=r"other\.json is not the document of an audit"):
        read_audit(tmp_path / "other.json")


def test_what_cannot_be_compared_is_refused() -> None:
    one = WRONG.document()
    with pytest.raises(AuditsError, match="The second audit has format 99, and 1 is read"):
        compare_findings(one, one | {"format": 99})
    with pytest.raises(AuditsError, match="different classes: tank, decoy, and cat, dog"):
        compare_findings(one, one | {"classes": ["cat", "dog"]})
    other = one | {"record": one["record"] | {"dataset": {"name": "x", "digest": "d2"}}}
    with pytest.raises(AuditsError, match="different pictures"):
        compare_findings(one, other)
    nameless = one | {"record": {}}
    assert compare_findings(nameless, nameless).dataset == "–"
    with pytest.raises(AuditsError, match="different numbers of pictures: 50, 50, and 3, 4"):
        compare_findings(nameless, nameless | {"counts": [3, 4]})


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (WRONG, RIGHT, "The evidence moved"),
        (WRONG, WRONG, "The evidence stayed"),
        (RIGHT, RIGHT, "Nothing had to move"),
    ],
)
def test_the_page(before: Findings, after: Findings, word: str) -> None:
    moved = compare_findings(before.document(), after.document())
    text = moved.html()
    page = Page(text)
    assert word in page.words
    assert moved.sentence in page.words
    assert "script" not in {tag for tag, _ in page.tags}
    assert "http" not in text
    assert page.words.index("What should not matter") < page.words.index("The object itself")
    assert moved.sentence in moved._repr_html_()


def test_names_cannot_bring_their_own_html() -> None:
    bad = replace(SKY, title=HOSTILE, phrase=HOSTILE)
    one = replace(
        WRONG,
        verdict=replace(WRONG.verdict, named=bad, headline=HOSTILE),
        effects=(effect(bad, 0.4, suspect=True),),
        record={"model": {"name": HOSTILE}, "dataset": {"name": HOSTILE}},
    )
    moved = compare_findings(one.document(), replace(one, effects=(*one.effects, effect(BLUR, 0.0))).document())
    for text in (moved.html(), moved._repr_html_()):
        assert "<script" not in text
        assert HOSTILE in Page(text).text
