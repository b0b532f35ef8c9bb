"""The page of an audit."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.findings import Clue, Findings, Interval, Outcome, PictureFinding, Untested
from picasso.auditing.report import drawing
from picasso.auditing.report import page as report
from picasso.auditing.report.picture_pairs import drawn, first_pair
from picasso.core.interventions.intervention import Property, Role
from tests.auditing.making import BLUR, CORNER, ERASED, NOISE, OBJECT, SKY, effect, findings, pair

VOID = {"meta", "img", "line", "circle", "rect", "path", "br"}
HOSTILE = "<script>alert('\"1\"')</script>"


class Page(HTMLParser):
    """Reads a page, and finds what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += f"{data} "

    @property
    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def read(found: Findings) -> Page:
    return Page(found.html())


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_opens_with_its_word_symbol_and_tone(outcome: Outcome) -> None:
    page = read(findings(outcome))
    word = report.WORDS[outcome]
    body = next(attrs for tag, attrs in page.tags if tag == "body")
    assert body["class"] == outcome.value
    assert page.words.index(word) < page.words.index("One plain sentence.")
    style = report.style()
    assert f".{outcome.value} {{ --tone:" in style
    assert "4 points of accuracy: a drop as large is seen about every other time" in page.words


def test_no_two_outcomes_look_alike() -> None:
    icons = {outcome: _icon(findings(outcome).html()) for outcome in Outcome}
    assert len(set(icons.values())) == len(Outcome)
    tones = [line for line in report.style().splitlines() if re.match(r"\.[a-z-]+ \{ --tone:", line)]
    assert len({line.split("--tone:")[1] for line in tones}) == len(Outcome)


def _icon(html: str) -> str:
    found = re.search(r'<svg class="icon".*?</svg>', html, re.S)
    assert found is not None
    return found.group()


def test_nothing_is_loaded_and_nothing_runs() -> None:
    for text in (findings().html(), findings(Outcome.WEAK_MODEL).html()):
        page = Page(text)
        assert "script" not in {tag for tag, _ in page.tags}
        assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base", "form"}
        for _, attrs in page.tags:
            assert not any(name.startswith("on") for name in attrs)
            assert str(attrs.get("src", "data:image/png;base64,")).startswith("data:image/png;base64,")
            assert str(attrs.get("href", "#")).startswith("#")
        assert "http://" not in text
        assert "https://" not in text
        assert "url(" not in text
        assert "@import" not in text


def test_names_cannot_bring_their_own_html() -> None:
    known = findings()
    bad = replace(SKY, title=HOSTILE, phrase=HOSTILE)
    found = findings(
        verdict=replace(known.verdict, headline=HOSTILE, sentence=HOSTILE, named=bad, reasons=(HOSTILE,)),
        classes=(HOSTILE, "decoy"),
        effects=(effect(bad, 0.4, suspect=True), effect(replace(CORNER, title=HOSTILE), 0.3, suspect=True)),
        clues=(Clue("x", HOSTILE, 0.7, 0.6, 0.8, True, HOSTILE),),
        pairs=(replace(pair(SKY, 0), name=HOSTILE, source=HOSTILE), replace(pair(CORNER, 1), name=HOSTILE)),
        by_picture=(PictureFinding(HOSTILE, 0, 1, 1.0, True),),
        untested=(Untested(HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        extras={HOSTILE: {HOSTILE: [{HOSTILE: HOSTILE}]}, "evidence": {"sentence": HOSTILE}},
        record={"model": {"name": HOSTILE}, "dataset": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}},
    )
    for text in (found.html(), found._repr_html_()):
        page = Page(text)
        assert "<script" not in text
        assert "script" not in {tag for tag, _ in page.tags}
        assert HOSTILE in page.text


def test_sections_without_content_do_not_appear() -> None:
    full = read(findings())
    parts = [
        "why",
        "suspects",
        "pairs",
        "classes",
        "fix",
        "clues",
        "extra-evidence",
        "untested",
        "accuracy",
        "notes",
        "how",
    ]
    assert full.ids == ["verdict", *parts]
    links = [str(attrs["href"])[1:] for tag, attrs in full.tags if tag == "a"]
    assert links == parts
    bare = findings(Outcome.CANNOT_TELL)
    bare = replace(
        bare,
        verdict=replace(bare.verdict, reasons=()),
        effects=(),
        clues=(),
        untested=(),
        notes=(),
        extras={"evidence": {}, "clusters": []},
        record={},
    )
    assert read(bare).ids == ["verdict", "accuracy", "how"]
    assert "this model" in read(bare).words
    assert "this data set" in read(bare).words
    assert read(replace(bare, counts=(0, 0))).ids == ["verdict", "how"]


def test_the_most_telling_pair_is_of_the_property_that_is_named() -> None:
    found = findings()
    named = replace(found.verdict, named=CORNER)
    assert first_pair(found) is found.pairs[0]
    assert first_pair(replace(found, verdict=named)) is found.pairs[2]
    assert first_pair(replace(found, verdict=replace(named, named=BLUR))) is found.pairs[0]
    assert first_pair(replace(found, pairs=())) is None
    assert "The answer turns from tank (97 %) to decoy (90 %)." in read(found).words


def test_a_pair_is_outlined_where_its_property_is_a_rectangle_and_else_shows_what_changed() -> None:
    found = findings()
    sky, corner = drawn(found.pairs[0], found), drawn(found.pairs[2], found)
    assert sky.outline == ""
    assert sky.changed is not None
    assert corner.changed is None
    assert corner.outline == "top: 0.00%; left: 0.00%; height: 25.00%; width: 50.00%"
    assert found.html().count(corner.outline) == 2
    # What surrounds the object is the whole picture but the object: an outline would say nothing.
    whole = replace(found.effects[0], what=replace(found.effects[0].what, box=(0, 0, 1, 1)))
    around = drawn(found.pairs[0], replace(found, effects=(whole, *found.effects[1:])))
    assert around.effect is whole
    assert around.outline == ""
    assert around.changed is not None


def test_an_answer_that_follows_the_object_is_not_wrong() -> None:
    found = findings()
    swapped = drawn(found.pairs[3], found)
    assert (swapped.starts, swapped.ends) == ("right", "follows")
    assert swapped.sentence.endswith("The answer turns from tank (97 %) to decoy (90 %), as it should.")
    erased = drawn(pair(ERASED, 0), found)
    assert erased.sentence.startswith("The object was erased. ")
    sky = drawn(found.pairs[0], found)
    assert (sky.starts, sky.ends) == ("right", "wrong")
    stays = drawn(replace(found.pairs[0], probabilities=((0.97, 0.03), (0.8, 0.2))), found)
    assert stays.sentence.endswith("The answer stays tank: 97 % before, 80 % after.")
    assert stays.ends == "right"


def test_bars_show_the_answers_and_the_true_class_of_many() -> None:
    classes = tuple("abcdef")
    found = findings(classes=classes, counts=(20,) * 6, confusion=((20, 0, 0, 0, 0, 0),) * 6, effects=(), clues=())
    before, after = (0.05, 0.6, 0.2, 0.1, 0.04, 0.01), (0.05, 0.1, 0.1, 0.1, 0.05, 0.6)
    shown = drawn(replace(pair(SKY, 0), probabilities=(before, after)), found)
    assert [bar.label for bar in shown.bars] == ["b", "a", "f"]
    assert [bar.own for bar in shown.bars] == [False, True, False]
    assert (shown.said, shown.says, shown.sure) == ("b", "f", (0.6, 0.6))


def test_effects_are_relied_on_cleared_or_open() -> None:
    assert report.state(effect(SKY, 0.4, suspect=True)) == "suspect"
    assert report.state(effect(BLUR, 0.01, 0.03)) == "cleared"
    assert report.state(effect(BLUR, 0.01, 0.03, falls=(1,))) == "open"
    assert report.state(effect(BLUR, 0.01, 0.06)) == "open"
    page = read(findings())
    assert "Tested: 4; 2 relied on, 1 not cleared, 1 cleared." in page.words
    assert "41 points 33 … 49" in page.words
    assert "−2 points −3 … −1" in page.words


def test_what_is_cleared_unfolds_beyond_the_first() -> None:
    many = tuple(effect(replace(NOISE, name=f"n{i}", title=f"Thing {i}"), 0.001) for i in range(50))
    page = read(findings(effects=many))
    assert f"{50 - report.MOST_CLEARED} more, all cleared" in page.words
    assert all(f"Thing {i} " in page.words for i in range(50))


def test_at_most_fifty_pictures_to_fix_are_listed_and_the_count_is_said() -> None:
    many = tuple(PictureFinding(f"p{i:03d}.png", 0, 0, 3 - i / 100, i < 120) for i in range(200))
    page = read(findings(by_picture=many))
    assert "120 pictures to fix" in page.words
    assert "The first 50 of 120 are shown" in page.words
    assert re.findall(r"p\d{3}\.png", page.words) == [f"p{i:03d}.png" for i in range(50)]
    one = read(findings(by_picture=many[:1]))
    assert "1 picture to fix" in one.words
    assert "The first" not in one.words
    none = read(findings(by_picture=many[120:]))
    assert "What moves most" in none.words
    assert len(re.findall(r"p\d{3}\.png", none.words)) == report.MOST_MOVED


def test_tables_have_room_for_the_classes_of_the_most_pictures() -> None:
    count = 40
    classes = tuple(f"class-{i:02d}" for i in range(count))
    counts = tuple(10 + i for i in range(count))
    confusion = tuple(tuple(counts[i] if i == j else 0 for j in range(count)) for i in range(count))
    by_class = (None,) * (count - 1) + (0.3,)
    found = findings(
        classes=classes,
        counts=counts,
        confusion=confusion,
        effects=(effect(SKY, 0.3, suspect=True, by_class=by_class, toward=(0.0,) * count),),
        pairs=(),
        by_picture=(),
    )
    page = read(found)
    heads = re.findall(r"class-\d\d", page.words)
    last = [f"class-{i:02d}" for i in range(count - report.MOST_CLASSES, count)]
    assert set(heads) == set(last)
    assert f"The {report.MOST_CLASSES} classes of the most pictures, of {count}." in page.words


def test_a_change_that_does_damage_by_itself_is_marked() -> None:
    page = read(findings(effects=(effect(SKY, 0.4, suspect=True, sham=0.7),)))
    assert "! 70 %" in page.words
    assert "! " not in read(findings(effects=(effect(SKY, 0.4, suspect=True, sham=0.9),))).words


def test_further_sections_are_shown_whatever_their_shape() -> None:
    tiny = "data:image/png;base64," + base64.b64encode(b"x").decode()
    extras = {
        "clusters": [{"name": "A", "pictures": 9, "confirmed": True, "share": 0.12345}, {"name": "B", "odd": [1, 2]}],
        "my_own": {"deep": {"deeper": [[{"a": 1}], {"b": {"c": None, "d": "e"}}]}, "number": -1.5, "picture": tiny},
        "text": "Only words.",
        "zero": 0,
    }
    page = read(findings(extras=extras))
    assert [i for i in page.ids if i.startswith("extra")] == ["extra-clusters", "extra-my_own", "extra-text"]
    assert "Name Pictures Confirmed Share Odd A 9 yes 0.123 – B – – – 1, 2" in page.words
    assert "Only words." in page.words
    assert "−1.5" in page.words
    assert any(attrs.get("src") == tiny for _, attrs in page.tags)


def test_shares_of_the_evidence_are_a_table_with_what_a_map_without_aim_would_reach() -> None:
    shares = [{"value": 0.2, "low": 0.15, "high": 0.25}, {"value": 0.8, "low": 0.75, "high": 0.85}]
    evidence = {
        "classes": ["tank", "decoy"],
        "parts": ["the object", "the background"],
        "areas": [0.1, 0.9],
        "shares": shares,
        "by_class": [shares[::-1], []],
        "methods": [{"title": "Grad-CAM", "tested": {"sentence": "passed its test"}}],
        "left_out": [{"title": "Deconvolution", "reason": "It does not depend on the weights."}],
        "disagreement": "The maps do not show it.",
    }
    page = read(findings(extras={"evidence": evidence}))
    assert "All pictures 20 % 15 … 25 80 % 75 … 85 tank 80 % 75 … 85 20 % 15 … 25 Without any aim" in page.words
    assert "it covers 10 % 90 %" in page.words
    assert "Grad-CAM passed its test" in page.words
    assert "Deconvolution, left out It does not depend on the weights." in page.words
    assert "! The maps do not show it." in page.words


def test_clusters_say_whether_they_are_confirmed() -> None:
    mean_map = np.eye(16).tolist()
    clusters = [
        {"sentence": "Of 60 % the maps point there.", "mean_map": mean_map, "confirmed": True},
        {"sentence": "Of 40 % they point elsewhere.", "mean_map": [], "confirmed": None},
    ]
    text = findings(extras={"clusters": clusters}, pairs=()).html()
    page = Page(text)
    assert "Of 60 % the maps point there. confirmed Of 40 % they point elsewhere." in page.words
    (url,) = re.findall(r'src="(data:[^"]+)"', text)
    assert _decoded(url).shape == (160, 160, 3)


def test_the_axis_has_zero_and_the_threshold_and_room_for_all() -> None:
    axis = drawing.axis([Interval(0.41, 0.33, 0.49), Interval(-0.02, -0.06, 0.02)])
    assert axis.ticks == (-0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert axis.low < -0.1
    assert axis.high > 0.5
    assert float(axis.place(0.2).rstrip("%")) == pytest.approx(50)
    assert axis.place(-9) == "0.00%"
    assert axis.place(9) == "100.00%"
    assert float(axis.width(0, 0.05).rstrip("%")) == pytest.approx(0.05 / (axis.high - axis.low) * 100, abs=0.01)
    empty = drawing.axis([])
    assert empty.ticks == (0.0, 0.05, 0.1)
    assert drawing.axis([Interval(1.0, 0.9, 1.0), Interval(-1.0, -1.0, -0.9)]).ticks == (-1.0, -0.5, 0.0, 0.5, 1.0)


def test_what_changed_glows_and_the_rest_is_grey() -> None:
    before = np.full((20, 20, 3), 100, np.uint8)
    after = before.copy()
    after[:10] = 255
    glowing = _decoded(drawing.changed(before, after))
    assert tuple(glowing[0, 0]) == drawing.GLOW
    assert tuple(glowing[15, 5]) == (45, 45, 45)
    same = _decoded(drawing.changed(before, before))
    assert (same == 45).all()
    hardly = before.copy()
    hardly[0, 0] = 101
    assert _decoded(drawing.changed(before, hardly))[0, 0, 0] < 0.5 * drawing.GLOW[0]


def test_large_pictures_are_made_smaller_and_small_ones_stay_exact() -> None:
    large = np.zeros((1000, 500, 3), np.uint8)
    assert _decoded(drawing.shown(large)).shape == (448, 224, 3)
    small = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    np.testing.assert_array_equal(_decoded(drawing.shown(small)), small)


def _decoded(url: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as image:
        return np.asarray(image.convert("RGB"))


def test_the_object_has_a_block_of_its_own() -> None:
    page = read(findings(Outcome.RIGHT_REASON))
    needed = page.words.index("The object itself")
    assert page.words.index("The object, swapped") > needed
    assert page.words.index("The object, erased") > needed
    assert page.words.index("Noise") < needed
    assert "Its texture is a part of it" not in page.words
    only = read(findings(effects=(effect(OBJECT, 0.4, suspect=True, role=Role.OBJECT),)))
    assert "What should not matter" not in only.words


def test_a_size_stands_with_the_object_until_it_is_accused() -> None:
    size = effect(Property("object-scale", "Size", "how large the object is"), 0.1, role=Role.SIZE)
    known = findings(Outcome.RIGHT_REASON)
    used = tuple(replace(one, suspect=one.suspect or one.role is Role.OBJECT) for one in known.effects)
    unused = tuple(replace(one, suspect=one.suspect and one.role is not Role.OBJECT) for one in known.effects)
    page = read(replace(known, effects=(*used, size)))
    said = "Its size is a part of it, and would count against the model if it moved the margin by 10 % of what another"
    assert said in page.words
    for effects in ((*used, replace(size, suspect=True)), (*unused, size)):
        assert "Its size is a part of it" not in read(replace(known, effects=effects)).words


def test_a_surface_stands_with_the_object_until_it_is_accused() -> None:
    texture = effect(Property("object-texture", "Texture", "the texture"), 0.3, role=Role.SURFACE)
    known = findings(Outcome.RIGHT_REASON)
    page = read(replace(known, effects=(*known.effects, texture)))
    assert page.words.index("Texture") > page.words.index("The object itself")
    assert "Its texture is a part of it" in page.words
    assert "Its size is a part of it" not in page.words
    page = read(replace(known, effects=(*known.effects, replace(texture, suspect=True))))
    assert page.words.index("Texture") < page.words.index("The object itself")
