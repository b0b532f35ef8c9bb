"""One visualization on one picture: what is recorded, what is kept, and whose fault it is."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.core import registry, runner
from picasso.core.errors import (
    CanceledError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
    OutOfMemoryError,
    PicassoError,
    PictureError,
    PluginError,
    SettingsError,
    TargetError,
)
from picasso.core.facts import Capability
from picasso.core.fitting import abilities, lacking, missing, read_settings
from picasso.core.model import Model
from picasso.core.panels import Panel, Text
from picasso.core.pictures.images import read_picture
from picasso.core.result import Result, Results
from picasso.core.result_keys import cache_key, result_key
from picasso.core.settings import Settings
from picasso.testing import check_visualization, small_model, small_transformer
from tests.core.plugins import ALONE, MAP, attributing, drop, running

RNG = np.random.default_rng(31)
PICTURE = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
PLAIN = picasso.Preprocessing(size=(10, 15), resize="crop")
LABELS = ("tank", "decoy", "shed")


class Linear:
    """A black box whose weights can be seen and changed."""

    def __init__(self) -> None:
        self.weights = np.random.default_rng(1).normal(size=(10, 15, 3, 3)).astype(np.float32)
        self.calls = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.tensordot(x, self.weights, 3)


@pytest.fixture
def model() -> Model:
    return picasso.load_model(Linear(), preprocessing=PLAIN, labels=LABELS, name="linear")


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "visualizations"


def explained(model: Model, picture: object = PICTURE, name: str = "bright", **choices: Any) -> Result:
    result = picasso.explain(model, picture, name, **choices)
    assert isinstance(result, Result)
    return result


# --- the model alone ----------------------------------------------------------------------------------------------


def test_the_model_alone_is_looked_at_without_a_picture(model: Model, plugins: Path, tmp_path: Path) -> None:
    drop(plugins, ALONE, "count.py")
    result = picasso.explain(model, visualization="count", times=2, seed=5)
    assert isinstance(result, Result)
    [panel] = result.panels
    assert isinstance(panel, Text)
    assert panel.text == f"{2 * len(LABELS)} in linear"
    assert (result.picture, result.view, result.targets, result.predictions, result.attributions) == (
        None,
        None,
        (),
        (),
        (),
    )
    assert result.arrays["seeded"] == np.random.default_rng(5).integers(1000, size=1)
    assert repr(result) == "Result(count, 'linear')"
    assert "<h3>Count: linear</h3>" in result._repr_html_()
    document = json.loads(result.json())
    assert document["picture"] is None
    assert document["model"]["preprocessing"] is not None
    assert (document["settings"], document["seed"]) == ({"times": 2}, 5)
    saved = [path.name for path in result.save(tmp_path / "out")]
    assert saved == ["linear.count.npz", "linear.count.json", "linear.count.html"]


def test_the_model_alone_is_kept_until_a_choice_changes(model: Model, plugins: Path) -> None:
    drop(plugins, ALONE, "count.py")
    first = picasso.explain(model, visualization="count")
    assert picasso.explain(model, visualization="count", top=2) is first
    assert picasso.explain(model, visualization="count", seed=1) is not first
    assert picasso.explain(model, visualization="count", times=2) is not first


def test_pictures_and_the_model_alone_are_not_taken_for_each_other(model: Model, plugins: Path) -> None:
    drop(plugins, ALONE, "count.py")
    drop(plugins, MAP)
    with pytest.raises(PictureError, match="Count looks at the model alone"):
        picasso.explain(model, PICTURE, "count")
    with pytest.raises(PictureError, match="Brightness looks at pictures"):
        picasso.explain(model, visualization="bright")
    for asked in ({"target": 0}, {"at": (1, 2)}, {"channel": "conv:1"}):
        with pytest.raises(TargetError, match="explains nothing of a picture"):
            picasso.explain(model, visualization="count", **asked)


def test_a_view_of_the_model_alone_keeps_the_contract(model: Model, plugins: Path) -> None:
    check_visualization(drop(plugins, ALONE, "count.py"), model)
    silent = ALONE.replace("ctx.progress(step + 1, settings.times)", "pass")
    with pytest.raises(AssertionError, match=r"must call ctx\.progress"):
        check_visualization(drop(plugins, silent, "count.py"), model)
    as_picture = ALONE.replace('name, title = "count", "Count"', 'name, title, subject = "count", "Count", "pictures"')
    with pytest.raises(AssertionError, match="subject must be that of its base class"):
        check_visualization(drop(plugins, as_picture, "count.py"), model)


# --- what comes out -----------------------------------------------------------------------------------------------


def test_a_result_holds_what_was_asked_for(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    result = explained(model, gain=2)
    assert (result.name, result.title) == ("bright", "Brightness")
    scores = model.predict(PLAIN.apply(PICTURE)[None])[0]
    order = np.argsort(-scores)
    assert [t.index for t in result.targets] == order.tolist()
    assert [p.label for p in result.predictions] == [LABELS[i] for i in order]
    np.testing.assert_array_equal(result.view, PLAIN.view(PICTURE)[0])
    for rank, attribution in enumerate(result.attributions):
        np.testing.assert_allclose(attribution.values, result.view.mean(2) / 255 * 2, atol=1e-6)
        assert attribution.target == result.targets[rank]
        assert attribution.score == pytest.approx(scores[order[rank]])
    assert [panel.id for panel in result.panels] == ["map-0", "map-1", "map-2"]


def test_targets_and_top(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    assert len(explained(model, top=2).targets) == 2
    assert [t.label for t in explained(model, top=np.int64(1)).targets] == [explained(model).targets[0].label]
    chosen = explained(model, target=["shed", np.int64(0), "tank - decoy"], top=1)
    assert [t.label for t in chosen.targets] == ["shed", "tank", "tank - decoy"]
    assert explained(model, target=[]).targets == explained(model).targets
    probabilities = [panel.probability for panel in chosen.panels]  # type: ignore[attr-defined]
    of = {p.label: p.probability for p in chosen.predictions}
    assert probabilities == [pytest.approx(of["shed"]), pytest.approx(of["tank"]), None]
    for wrong in ("plane", 3, 1.5, [["tank"]], True):
        with pytest.raises(TargetError):
            explained(model, target=wrong)
    with pytest.raises(TargetError, match="top must be at least 1"):
        explained(model, top=0)


def test_several_pictures_in_their_order(model: Model, plugins: Path, tmp_path: Path) -> None:
    drop(plugins, MAP)
    other = 255 - PICTURE
    path = tmp_path / "photo.png"
    Image.fromarray(PICTURE).save(path)
    results = picasso.explain(model, [path, other, PICTURE, Image.fromarray(other)], "bright")
    assert isinstance(results, Results)
    assert [r.picture.name for r in results] == ["photo.png", "array", "array", "picture"]
    for result, pixels in zip(results, (PICTURE, other, PICTURE, other), strict=True):
        np.testing.assert_array_equal(result.view, PLAIN.view(pixels)[0])
    assert picasso.explain(model, (), "bright") == ()
    with pytest.raises(PictureError, match=r"absent\.png cannot be read"):
        picasso.explain(model, [path, tmp_path / "absent.png"], "bright")


def test_every_choice_is_recorded(model: Model, plugins: Path, tmp_path: Path) -> None:
    path = drop(plugins, MAP.replace("title =", 'version, references = 7, ("Nobody 2020",)\n    title ='))
    Image.fromarray(PICTURE[::-1]).save(tmp_path / "photo.png")
    result = explained(model, tmp_path / "photo.png", gain=3, seed=np.int64(11))
    frame = PLAIN.view(PICTURE)[1]
    entry = registry.visualization("bright")
    assert result.record["visualization"] == {
        "name": "bright",
        "title": "Brightness",
        "version": 7,
        "digest": entry.digest,
        "references": ["Nobody 2020"],
    }
    assert entry.path == path
    assert result.record["settings"] == {"gain": 3.0}
    assert result.record["seed"] == 11
    assert result.record["model"] == {
        "name": "linear",
        "digest": model.digest,
        "framework": "function",
        "task": "classification",
        "head": "softmax",
        "score_units": "logit",
        "input_shape": [10, 15, 3],
        "preprocessing": PLAIN.model_dump(mode="json"),
        "notes": list(model.facts.notes),
    }
    assert result.record["picture"] == {
        "name": "photo.png",
        "digest": read_picture(tmp_path / "photo.png").digest,
        "height": 20,
        "width": 30,
        "notes": [],
        "frame": {"top": frame.top, "left": frame.left, "height": frame.height, "width": frame.width},
    }
    assert 0 <= result.record["seconds"] < 60
    assert result.record["versions"] == {
        "picasso": metadata.version("picasso"),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "pillow": metadata.version("pillow"),
    }
    also = {"asked", "at", "certainty", "patching"}
    assert set(result.record) == also | {"visualization", "settings", "seed", "model", "picture", "seconds", "versions"}
    json.dumps(result.record, allow_nan=False)


def test_a_users_preprocess_hook_leaves_no_frame_and_no_declared_preprocessing(plugins: Path, tmp_path: Path) -> None:
    drop(plugins, MAP)
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "class Mine:\n"
        "    def load(self): return lambda x: x.mean((1, 2))\n"
        "    def preprocess(self, pictures): return np.stack([p[:8, :9] / 255 for p in pictures])\n"
    )
    record = explained(picasso.load_model(f"{path}:Mine")).record
    assert record["model"]["preprocessing"] is None
    assert record["picture"]["frame"] is None


def test_progress_panels_and_seed_reach_the_plugin_and_the_caller(model: Model, plugins: Path) -> None:
    drop(
        plugins,
        running("""
        ctx.progress(0, 2, "beginning")
        yield Text(id="a", title="first", text=str(ctx.seed))
        ctx.show(Text(id="b", title="shown", text="b"))
        ctx.progress(2, 2)
        yield Text(id="a", title="second", text=str(ctx.seed))
        ctx.keep("numbers", np.arange(3))
        """),
    )
    told: list[Any] = []
    shown: list[Panel] = []
    result = runner.run(
        model,
        read_picture(PICTURE),
        registry.visualization("bright"),
        Settings(),
        seed=5,
        report=lambda *now: told.append(now),
        show=shown.append,
    )
    assert told == [(0, 2, "beginning"), (2, 2, "")]
    assert [panel.title for panel in shown] == ["first", "shown", "second"]
    assert [(panel.id, panel.title) for panel in result.panels] == [("a", "second"), ("b", "shown")]
    assert isinstance(result.panels[0], Text)
    assert result.panels[0].text == "5"
    assert result.arrays["numbers"].tolist() == [0, 1, 2]
    assert result.attributions == ()


def test_the_same_seed_gives_the_same_numbers(model: Model, plugins: Path) -> None:
    drop(plugins, running('ctx.keep("noise", np.random.default_rng(ctx.seed).normal(size=3))\nyield from ()'))
    first = explained(model, seed=1, cache=False).arrays["noise"]
    np.testing.assert_array_equal(explained(model, seed=1, cache=False).arrays["noise"], first)
    assert (explained(model, seed=2, cache=False).arrays["noise"] != first).all()


def test_a_plugin_that_works_in_place_does_not_change_what_is_shown(model: Model, plugins: Path) -> None:
    drop(plugins, running("ctx.scores[:] = 0\nsample.view[:] = 0\nctx.targets.clear()\nyield from ()"))
    changed = explained(model, cache=False)
    drop(plugins, running("yield from ()"))
    plain = explained(model, cache=False)
    assert changed.predictions == plain.predictions
    assert changed.targets == plain.targets
    np.testing.assert_array_equal(changed.view, plain.view)


def test_a_one_pixel_picture_and_slim_ones_are_explained(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    for shape in ((1, 1, 3), (1, 500, 3), (500, 1, 3)):
        result = explained(model, RNG.integers(0, 256, shape).astype(np.uint8))
        assert result.attributions[0].values.shape == (10, 15)


# --- what is kept -------------------------------------------------------------------------------------------------


def test_the_same_question_gets_the_same_object(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    first = explained(model)
    assert explained(model) is first
    assert explained(model, PICTURE.copy(), target=None, top=5, seed=0, gain=1.0) is first
    assert explained(model, cache=False) is not first
    assert explained(model) is first


def test_what_is_kept_cannot_be_written_to(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    first = explained(model)
    with pytest.raises(ValueError, match="read-only"):
        first.attributions[0].values[:] = 7
    with pytest.raises(ValueError, match="read-only"):
        next(iter(first.arrays.values()), first.attributions[0].values)[...] = 7
    explained(model, cache=False).attributions[0].values[:] = 7


@pytest.mark.parametrize("seed", [-1, 0.5, "1"])
def test_a_seed_is_a_whole_number_from_0_on(model: Model, plugins: Path, seed: Any) -> None:
    drop(plugins, MAP)
    with pytest.raises(SettingsError, match="seed must be a whole number from 0 on"):
        explained(model, seed=seed)
    with pytest.raises(SettingsError, match="seed must be a whole number from 0 on"):
        picasso.compare(model, PICTURE, ["bright"], seed=seed)
    assert explained(model, seed=np.int64(3)).record["seed"] == 3


@pytest.mark.parametrize(
    "choices", [{"gain": 2}, {"seed": 1}, {"top": 2}, {"target": "tank"}, {"picture": PICTURE[::-1]}]
)
def test_another_question_gets_another_answer(model: Model, plugins: Path, choices: dict[str, Any]) -> None:
    drop(plugins, MAP)
    first = explained(model)
    assert explained(model, **choices) is not first
    assert explained(model, **choices) is explained(model, **choices)


def test_top_does_not_matter_where_a_target_is_given(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    assert explained(model, target="tank", top=1) is explained(model, target=0, top=3)
    assert explained(model, target="tank - decoy") is explained(model, target="0 - 1")
    assert explained(model, target="tank") is not explained(model, target="decoy")


def test_classes_of_one_label_are_told_apart(plugins: Path) -> None:
    drop(plugins, MAP)
    model = picasso.load_model(Linear(), preprocessing=PLAIN, labels=["crane", "crane", "tank"])
    first, second = explained(model, target=0), explained(model, target=1)
    assert first is not second
    assert first.attributions[0].score != second.attributions[0].score


def test_an_edited_plugin_is_run_again(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    first = explained(model)
    drop(plugins, MAP.replace("/ 255", "/ 51"))
    second = explained(model)
    np.testing.assert_allclose(second.attributions[0].values, first.attributions[0].values * 5, rtol=1e-5)
    drop(plugins, MAP)
    assert explained(model) is first
    (plugins / "bright.html").write_text("<p></p>")
    assert explained(model) is not first


def test_a_model_whose_parameters_changed_is_asked_again(plugins: Path) -> None:
    drop(plugins, MAP)
    function = Linear()
    model = picasso.load_model(function, preprocessing=PLAIN)
    first = explained(model)
    assert explained(model) is first
    function.weights *= 2
    second = explained(model)
    assert second is not first
    assert second.attributions[0].score == pytest.approx(2 * first.attributions[0].score)


def test_changed_preprocessing_is_asked_again(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    first = explained(model)
    model.hooks.preprocessing = picasso.Preprocessing(size=(10, 15), resize="crop", mean=0.5)
    assert explained(model) is not first


def test_equal_bytes_under_another_name_keep_their_own_name(model: Model, plugins: Path, tmp_path: Path) -> None:
    drop(plugins, MAP)
    for name in ("first.png", "second.png"):
        Image.fromarray(PICTURE).save(tmp_path / name)
    first, second = picasso.explain(model, [tmp_path / "first.png", tmp_path / "second.png"], "bright")
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert [first.picture.name, second.picture.name] == ["first.png", "second.png"]
    assert second.record["picture"] == first.record["picture"] | {"name": "second.png"}
    assert second.attributions is first.attributions
    assert first.record["picture"]["name"] == "first.png"
    assert explained(model, tmp_path / "first.png") is first


def test_only_so_many_results_are_kept(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    first = explained(model, gain=0)
    for gain in range(1, 16):
        explained(model, gain=gain)
    assert explained(model, gain=0) is first
    explained(model, gain=16)
    assert len(model.kept_results) == 16
    assert explained(model, gain=0) is not first


def test_an_error_is_not_kept(model: Model, plugins: Path) -> None:
    drop(plugins, running("raise ValueError('boom')\nyield"))
    for _ in range(2):
        with pytest.raises(PluginError):
            explained(model)
    assert model.kept_results == {}


def test_the_key_is_the_same_where_neither_model_nor_plugin_is_loaded(model: Model, plugins: Path) -> None:
    drop(plugins, MAP)
    entry = registry.visualization("bright")
    settings = read_settings(entry, {"gain": 2})
    picture = read_picture(PICTURE)

    def by_hand(targets: list[str], top: int) -> str:
        return result_key(
            model=model.digest,
            visualization=("bright", entry.digest, 1),
            settings={"gain": 2.0},
            picture=picture.digest,
            targets=targets,
            top=top,
            seed=3,
        )

    assert cache_key(model, entry, settings, picture, ["decoy"], 5, 3) == by_hand(["1"], 9)
    assert cache_key(model, entry, settings, picture, [], 5, 3) == by_hand([], 5) != by_hand([], 4)


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (running("raise ValueError('boom')\nyield"), "Brightness raised ValueError: boom"),
        (running("raise SystemExit(3)\nyield"), "Brightness raised SystemExit: 3"),
        (running("import sys\nsys.exit('bye')\nyield"), "Brightness raised SystemExit: bye"),
        (running("yield 'text'"), "Brightness must yield panels. Got str."),
        (running("yield"), "Brightness must yield panels. Got NoneType."),
        (running("ctx.show(3)\nyield from ()"), "Brightness must yield panels. Got int."),
        (running("pass"), "Brightness raised TypeError: 'NoneType' object is not iterable"),
        (running("return 3"), "Brightness raised TypeError: 'int' object is not iterable"),
        (running("yield Text(id='a')"), "Brightness raised TypeError: "),
        (
            "class Bright(Visualization[Settings]):\n    name, title = 'bright', 'Brightness'\n"
            "    def __init__(self): raise ValueError('boom')\n    def run(self, ctx, sample, settings): yield",
            "Brightness raised ValueError: boom",
        ),
        (
            running("ctx.keep('a/b', np.ones(2))\nyield"),
            "A kept array must have a name of its own, such as 'scores'. Got 'a/b'.",
        ),
        (
            running("ctx.keep('values_0', np.ones(2))\nyield"),
            "A kept array must have a name of its own, such as 'scores'. Got 'values_0'.",
        ),
        (
            running("ctx.keep('file', np.ones(2))\nyield"),
            "A kept array must have a name of its own, such as 'scores'. Got 'file'.",
        ),
        (
            running("ctx.keep('names', np.array(['a', None]))\nyield"),
            "The kept array 'names' must hold numbers. Got dtype object.",
        ),
        (attributing("return []"), "bright returned 0 attributions for 3 targets."),
        (
            attributing("return [Attribution(flat, targets[0], 'u', 'signed', 0.0)] * 4"),
            "bright returned 4 attributions for 3 targets.",
        ),
        (attributing("return None"), "Brightness raised TypeError: 'NoneType' object is not iterable"),
        (attributing("return [flat for t in targets]"), "bright must return Attributions. Got ndarray."),
        (
            attributing("return [Attribution(flat[:4, :5], t, 'u', 'signed', 0.0) for t in targets]"),
            "The values of bright must have the input's size, (10, 15). Got (4, 5).",
        ),
        (
            attributing("return [Attribution(flat[0], t, 'u', 'signed', 0.0) for t in targets]"),
            "The values of bright must be (h, w) or (h, w, channels). Got (15,).",
        ),
        (
            attributing(
                "return [Attribution(flat, t, 'u', 'signed', 0.0, picture=sample.picture.pixels) for t in targets]"
            ),
            "The values of bright must have the input's size, (20, 30). Got (10, 15).",
        ),
    ],
)
def test_a_plugin_that_misbehaves_is_named(model: Model, plugins: Path, text: str, said: str) -> None:
    drop(plugins, text)
    with pytest.raises(PluginError) as error:
        explained(model)
    assert error.value.message.startswith(said)
    assert error.value.code == "bad-plugin"


def test_whoever_wrote_the_plugin_is_told_to_mend_it(
    model: Model, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(plugins, running("1 / 0\nyield"))
    with pytest.raises(PluginError) as error:
        explained(model)
    assert error.value.hint == f"Mend {path}."
    assert isinstance(error.value.__cause__, ZeroDivisionError)

    def boom(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(import_module("picasso.visualizations.class_probabilities"), "Bars", boom)
    with pytest.raises(PluginError, match=r"Class probabilities raised ZeroDivisionError: .*This is a bug in the vis"):
        explained(model, name="class-probabilities")


@pytest.mark.parametrize(
    ("values", "fine"), [("np.nan", False), ("np.inf", False), ("np.where(np.eye(10, 15) > 0, np.nan, 1)", True)]
)
def test_a_map_needs_a_finite_value(model: Model, plugins: Path, values: str, fine: bool) -> None:
    drop(plugins, attributing(f"return [Attribution(flat * {values}, t, 'u', 'signed', 0.0) for t in targets]"))
    if fine:
        assert np.isnan(explained(model).attributions[0].values).sum() == 10
        return
    with pytest.raises(
        ModelOutputError, match=r"^The map for '\w+' holds no finite value\. Try another target or layer"
    ):
        explained(model)


def test_attributions_may_come_from_a_generator(model: Model, plugins: Path) -> None:
    drop(plugins, attributing("return (Attribution(flat, t, 'u', 'signed', 0.0) for t in targets)"))
    assert [a.target.label for a in explained(model).attributions] == [t.label for t in explained(model).targets]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_what_ends_the_program_passes_through(model: Model, plugins: Path, error: type[BaseException]) -> None:
    drop(plugins, running(f"raise {error.__name__}\nyield"))
    with pytest.raises(error):
        explained(model)


def test_picassos_own_errors_keep_their_kind(model: Model, plugins: Path) -> None:
    drop(plugins, running("raise SettingsError('gain must be even.')\nyield"))
    with pytest.raises(SettingsError, match=r"^gain must be even\.$"):
        explained(model)


def test_memory_that_a_plugin_lacks_is_out_of_memory(model: Model, plugins: Path) -> None:
    drop(plugins, running("raise MemoryError\nyield"))
    with pytest.raises(
        OutOfMemoryError, match=r"^The device's memory does not suffice\. Use a smaller batch, a smaller"
    ):
        explained(model)


def test_a_cancel_stops_at_the_next_report(model: Model, plugins: Path) -> None:
    drop(plugins, running("for i in range(9):\n    ctx.progress(i, 9)\nyield"))
    told: list[int] = []

    def stop(done: int, total: int, message: str) -> None:
        told.append(done)
        if done == 4:
            raise CanceledError("The work was canceled.")

    with pytest.raises(CanceledError):
        explained(model, progress=stop)
    assert told == [0, 1, 2, 3, 4]


def test_what_the_model_lacks_is_said_before_anything_runs(model: Model, plugins: Path) -> None:
    drop(
        plugins, MAP.replace("title =", "needs = frozenset({Capability.RELU_RULES, Capability.GRADIENTS})\n    title =")
    )
    calls = model._function.calls  # type: ignore[attr-defined]
    with pytest.raises(NotSupportedError) as error:
        explained(model)
    assert error.value.message == "Brightness needs gradients, relu-rules, which this function model lacks."
    assert model._function.calls == calls  # type: ignore[attr-defined]
    assert lacking("T", {"predict"}, {"predict", "gradients"}, "x") == ""


def test_unknown_names_and_settings(model: Model, plugins: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no visualization 'brightest'"):
        explained(model, name="brightest")
    drop(plugins, MAP)
    with pytest.raises(SettingsError, match=r"There is no setting 'gian'\. Known: gain"):
        explained(model, gian=3)
    drop(plugins, "raise SystemExit(1)")
    with pytest.raises(PluginError, match="The visualization 'bright' is broken: SystemExit: 1"):
        explained(model)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda x: np.full((len(x), 3), np.nan), "bad-output"),
        (lambda x: x, "bad-output"),
        (lambda x: 1 / 0, "model-failed"),
    ],
)
def test_a_model_that_fails_is_the_models_fault_not_the_plugins(
    plugins: Path, answer: Callable[[np.ndarray], Any], kind: str
) -> None:
    function = Linear()
    model = picasso.load_model(function, preprocessing=PLAIN)
    drop(plugins, MAP.replace("values =", "ctx.model.predict(sample.x)\n        values ="))
    model._function = answer  # type: ignore[attr-defined]
    with pytest.raises(PicassoError) as error:
        explained(model)
    assert error.value.code == kind


def test_no_framework_is_loaded_for_a_function() -> None:
    code = (
        "import sys, numpy as np, picasso\n"
        "m = picasso.load_model(lambda x: x.mean((1, 2)), preprocessing=picasso.Preprocessing(size=8))\n"
        "picasso.explain(m, np.zeros((9, 9, 3), np.uint8), window=4)\n"
        "print(sorted({'torch', 'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_attention_is_no_ability_of_a_network_without_patches() -> None:
    convolutional, transformer = small_model(), small_transformer()
    assert Capability.ATTENTION in convolutional.capabilities
    assert abilities(convolutional) == convolutional.capabilities - {Capability.ATTENTION}
    assert abilities(transformer) == transformer.capabilities
    entry = registry.visualization("legrad")
    assert missing(transformer, entry, abilities(transformer)) == ""
    said = missing(convolutional, entry, abilities(convolutional))
    assert said == "LeGrad needs attention, which this PyTorch model lacks."
