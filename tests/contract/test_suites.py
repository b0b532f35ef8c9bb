"""The suites find what is broken, and say which rule it is."""

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.facts import INPUT, Capability, Pullback
from picasso.core.hooks import Prediction
from picasso.core.layers.attention import Attention
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Array
from picasso.core.relevance import Relevance
from picasso.core.targets import SCORES
from picasso.plugin import Attribution, AttributionMethod, Context, Preprocessing, Sample, Settings, Target
from picasso.testing import check_model, check_visualization, small_model, small_transformer
from picasso.testing.common import rule

SCAFFOLDS = resources.files("picasso") / "scaffold"
PLAIN = (SCAFFOLDS / "visualization.py").read_text("utf-8")
WITH_TEMPLATE = (SCAFFOLDS / "visualization_with_template.py").read_text("utf-8")
TEMPLATE = (SCAFFOLDS / "visualization_with_template.html").read_text("utf-8")


def write(folder: Path, text: str, template: str = "", name: str = "my_visualization.py") -> Path:
    """Write a plug-in that nothing else knows."""
    path = folder / name
    path.write_text(text, "utf-8")
    if template:
        path.with_suffix(".html").write_text(template, "utf-8")
    return path


def test_what_picasso_new_writes_keeps_the_contract(tmp_path: Path) -> None:
    check_visualization(write(tmp_path, PLAIN))
    check_visualization(str(write(tmp_path, WITH_TEMPLATE, TEMPLATE)))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "my-visualization"', 'name = "yours"', "must be 'my-visualization'"),
        ("import numpy as np", "import numpi as np", "the file must import"),
        ("watch the class score.", "watch the class score", "must be a sentence"),
        ('title = "My visualization"', 'title = " "', "title is bare"),
        ("references = ()", 'references = "Zeiler 2014"', "references must be a tuple"),
        ("references = ()", "needs = {1}", "needs must be a frozenset"),
        ('title="Cells", ', "", "needs a title"),
        (', description="Number of cells along each side of the picture."', "", "needs a description"),
        ("Field(6, ", "Field(", "needs a default"),
        ("cells", "seed", "explain\\(\\) has that argument"),
        ("ctx.progress)", ")", "must call ctx.progress"),
        ("content, ctx.progress)", "content, lambda d, t: ctx.progress(0, t))", "all is done"),
        ("content, ctx.progress)", "content, lambda d, t: ctx.progress(d + 1, t))", "must be in 0..total"),
        ("score = float(", "score = np.random.random() + float(", "same seed must give the same numbers"),
        ("enlarge(drop, height, width)", "enlarge(drop, width, height)", "must have the input's size"),
        ("enlarge(drop, height, width)", "enlarge(drop, height, width).astype(float)", "must be float32"),
        (
            "enlarge(drop, height, width)",
            "enlarge(drop, height, width) / np.eye(height, width, dtype='f')",
            "must be finite",
        ),
        ("enlarge(drop, height, width)", "np.full((height, width), np.nan, np.float32)", "with its defaults"),
        ("enlarge(drop, height, width)", "1 / 0", "with its defaults it must run. Got .*ZeroDivisionError"),
        ("enlarge(drop, height, width)", "enlarge(drop, height, width)[None, None]", "must be \\(h, w\\)"),
        ('units=f"change in {ctx.model.facts.units}"', 'units=""', "must say its units"),
        ('sign="signed"', 'sign="up"', "sign is wrong"),
        ('sign="signed"', 'sign="unsigned"', "must not hold negative values"),
        ('laid="bilinear between the centers of the cells",', "", "laid must say"),
        ("for target in targets:", "for target in targets[::-1]:", "in their order"),
        ("ge=1, le=64", "ge=0, le=64", "with {'cells': 0} it broke"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_broken_visualization_is_found_out(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in PLAIN
    path = write(tmp_path, PLAIN.replace(old, new))
    with pytest.raises(AssertionError, match=sentence):
        check_visualization(path)


def test_a_swallowed_cancel_is_found_out(tmp_path: Path) -> None:
    swallowing = PLAIN.replace(
        "scores = ctx.model.predict_patched(sample.x, boxes, content, ctx.progress)",
        "try:\n            ctx.progress(1, 1)\n        except Exception:\n            pass\n"
        "        scores = ctx.model.predict_patched(sample.x, boxes, content)",
    )
    with pytest.raises(AssertionError, match="a cancel in ctx\\.progress must end the work"):
        check_visualization(write(tmp_path, swallowing))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="there is no file"):
        check_visualization(tmp_path / "nothing.py")


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("", "a Template panel needs my_visualization.html"),
        ("<script>alert(1)</script>", "the template must be plain HTML. It has <script>"),
        ('<p style="color:red">', "It has style= in <p>"),
        ('<p onclick="x()">', "It has onclick= in <p>"),
        ("{{ nothing }}", "must render in the sandbox. 'nothing' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "must render in the sandbox"),
    ],
)
def test_a_broken_template_is_found_out(tmp_path: Path, template: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_visualization(write(tmp_path, WITH_TEMPLATE, template))


def test_panels_of_one_id_are_found_out(tmp_path: Path) -> None:
    twice = WITH_TEMPLATE.replace(
        "        yield Template(", '        yield Template(id="blur", title="Another")\n        yield Template('
    )
    with pytest.raises(AssertionError, match="two different panels are called 'blur'"):
        check_visualization(write(tmp_path, twice, TEMPLATE))


class Greedy(AttributionMethod[Settings]):
    """Change the network while looking at it."""

    name = "greedy"
    title = "Greedy"

    def attribute(self, ctx: Context, sample: Sample, targets: list[Target], settings: Settings) -> list[Attribution]:
        ctx.progress(1, 1)
        ctx.model.module.eval()  # type: ignore[attr-defined]
        values = np.ones(sample.x.shape[1:3], np.float32)
        return [Attribution(values, target, "nothing", "unsigned", 0.0) for target in targets]


def test_a_class_can_be_checked_and_one_that_changes_the_model_is_found_out() -> None:
    with pytest.raises(AssertionError, match="left as it was\\. Changed: training modes"):
        check_visualization(Greedy)


def shifted_outputs(model: Model, x: Any) -> Any:
    return {SCORES: type(model)._outputs(model, x)[SCORES] + np.float32(len(x))}


def double_outputs(model: Model, x: Any) -> Any:
    return {SCORES: type(model)._outputs(model, x)[SCORES].astype(np.float64)}


def writing_predict(model: Model, x: Any) -> Any:
    scores = type(model).predict(model, x)
    x[:] += 1e-9
    return scores


def random_outputs(model: Model, x: Any) -> Any:
    scores = type(model)._outputs(model, x)[SCORES]
    return {SCORES: scores + np.random.default_rng().normal(size=scores.shape).astype(np.float32)}


def nothing_replaced(model: Model, x: Array, layer: str, values: Array) -> dict[str, Array]:
    return model._outputs(x)


def zeros_instead(model: Model, x: Array, layer: str, values: Array) -> dict[str, Array]:
    return type(model)._replaced(model, x, layer, 0 * values)


def doubled_gradients(model: Model, *args: Any) -> Pullback:
    pulled = type(model)._pullback(model, *args)
    return replace(pulled, gradients={key: 2 * value for key, value in pulled.gradients.items()})


def turned_gradients(model: Model, *args: Any) -> Pullback:
    pulled = type(model)._pullback(model, *args)
    return replace(pulled, gradients={k: v[..., ::-1] if k == INPUT else v for k, v in pulled.gradients.items()})


def wrong_values(model: Model, *args: Any) -> Pullback:
    pulled = type(model)._pullback(model, *args)
    return replace(pulled, values={k: v if k == INPUT else v + 1 for k, v in pulled.values.items()})


def zero_layers(model: Model, x: Any, layers: Any) -> Any:
    return {name: np.zeros((len(x), 3), np.float32) for name in layers}


def lost_relevance(model: Model, *args: Any) -> Relevance:
    found = type(model)._relevance(model, *args)
    return replace(found, values=found.values * np.float32(0.5))


def lost_attention(model: Model, *args: Any) -> Attention:
    found = type(model)._attention(model, *args)
    return replace(found, layers=tuple(replace(layer, weights=layer.weights / 2) for layer in found.layers))


def summed_gradients(model: Model, x: Array, targets: Any, early: bool) -> Attention:
    found = type(model)._attention(model, x, targets, early)
    summed = [np.repeat(layer.gradients.sum(0, keepdims=True), len(targets), 0) for layer in found.layers]
    layers = zip(found.layers, summed, strict=True)
    return replace(found, layers=tuple(replace(layer, gradients=gradients) for layer, gradients in layers))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [(lost_attention, "must sum to 1"), (summed_gradients, "several targets must give what each gives alone")],
)
def test_a_model_of_broken_attention_is_found_out(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Any], sentence: str
) -> None:
    model = small_transformer()
    check_model(model)
    monkeypatch.setattr(model, "_attention", lambda *args: broken(model, *args))
    with pytest.raises(AssertionError, match=sentence):
        check_model(model)


@pytest.mark.parametrize(
    ("method", "broken", "sentence"),
    [
        ("_relevance", lost_relevance, "neither shared out nor said to be kept"),
        ("_outputs", shifted_outputs, "a batch must give what its pictures give one at a time"),
        ("_outputs", double_outputs, "must be float32"),
        ("predict", writing_predict, "must not be written to"),
        ("_outputs", random_outputs, "the same numbers again"),
        ("_pullback", doubled_gradients, "differs from finite differences"),
        ("_pullback", turned_gradients, "differs from finite differences"),
        ("_pullback", wrong_values, "is no activation"),
        ("_activations", zero_layers, "must give"),
        ("_replaced", nothing_replaced, "differs from its gradient"),
        ("_replaced", zeros_instead, "must give the same scores"),
    ],
)
def test_a_broken_model_is_found_out(
    monkeypatch: pytest.MonkeyPatch, method: str, broken: Callable[..., Any], sentence: str
) -> None:
    model = small_model()
    monkeypatch.setattr(model, method, lambda *args: broken(model, *args))
    with pytest.raises(AssertionError, match=sentence):
        check_model(model)


def test_a_patched_prediction_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    monkeypatch.setattr(
        model, "predict_patched", lambda x, boxes, contents, progress: model.predict(x).repeat(len(boxes), 0)
    )
    with pytest.raises(AssertionError, match="must equal covering the picture"):
        check_model(model)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([Prediction(0, "dark", 0.2), Prediction(1, "bright", 0.8)], "sorted, best first"),
        ([Prediction(1, "bright", 0.9), Prediction(0, "dark", 0.9)], "must sum to 1"),
        ([Prediction(1, "bright", 1.5), Prediction(0, "dark", -0.5)], "must be in 0..1"),
        ([Prediction(1, "dark", 0.8), Prediction(0, "bright", 0.2)], "the model's labels"),
        ([Prediction(1, "bright", 0.8), Prediction(1, "bright", 0.2)], "every class once"),
    ],
)
def test_a_broken_decode_prob_is_found_out(
    monkeypatch: pytest.MonkeyPatch, rows: list[Prediction], sentence: str
) -> None:
    model = load_model(
        lambda x: np.stack([x.mean(axis=(1, 2, 3)), -x.mean(axis=(1, 2, 3))], axis=1),
        preprocessing=Preprocessing(size=8),
        labels=("dark", "bright"),
    )
    monkeypatch.setattr(model.hooks, "decode_prob", lambda scores: [rows] * len(scores))
    with pytest.raises(AssertionError, match=sentence):
        check_model(model)


def test_a_model_that_changes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()

    def learning(x: Any) -> Any:
        outputs = type(model)._outputs(model, x)
        model.module[0].weight.requires_grad_(False)  # type: ignore[attr-defined]
        return outputs

    monkeypatch.setattr(model, "_outputs", learning)
    monkeypatch.setattr(model, "capabilities", frozenset({Capability.PREDICT}))
    with pytest.raises(AssertionError, match="Changed: frozen parameters"):
        check_model(model)


def test_a_broken_rule_is_said_under_python_minus_o() -> None:
    with pytest.raises(AssertionError, match="it must be so"):
        rule(False, "thing", "it must be so.")
