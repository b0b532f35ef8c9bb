"""Does a model keep its contract?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.asking import focused
from picasso.core.errors import CanceledError, ConfigurationError, NotFoundError, NotSupportedError
from picasso.core.facts import INPUT, Capability, Pullback, ReluRule, Rules
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.pictures.clips import place_of
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array
from picasso.core.relevance import LayerwiseRules, LrpRule, RescaleRule
from picasso.core.targets import SCORES
from picasso.testing.common import close, must_raise, rule, trial_clip, trial_picture, untouched


def check_model(model: Model) -> None:
    """Check that a model keeps its contract: shapes, numbers, gradients, and that it is left as it was found.

    Args:
        model: From `load_model`.

    Raises:
        AssertionError: A rule is broken; the message names it.

    Example:
        >>> check_model(load_model("demo:tank-honest"))
    """
    with untouched(model, model.name):
        declared = model.hooks.preprocessing
        channels = declared.channels if declared and declared.color == "values" else None
        pictures = [trial_picture(seed, 40 + 8 * seed, 56, channels) for seed in range(5)]
        if model.facts.frames is not None:
            # The first, whose slopes are measured, has no two frames alike: pooling over them would have ties.
            counts = (model.facts.frames, 2 * model.facts.frames + 1, model.facts.frames // 2 + 1, 1)
            pictures[:4] = [trial_clip(seed, 40 + 8 * seed, 56, count) for seed, count in enumerate(counts)]
        x = _check_input(model, pictures)
        model = focused(model, model.prepare(pictures[0]), None)
        _check_scores(model, x)
        if model.focus is None:
            _check_decoding(model, model.predict(x))
        _check_patches(model, x[:1])
        if Capability.ACTIVATIONS in model.capabilities:
            _check_layers(model, x)
        if Capability.GRADIENTS in model.capabilities:
            _check_gradients(model, x)
        if Capability.INTERVENTIONS in model.capabilities:
            _check_interventions(model, x)
        if Capability.RELU_RULES in model.capabilities:
            _check_rules(model, x)
        if Capability.RELEVANCE in model.capabilities:
            _check_relevance(model, x)
        if Capability.ATTENTION in model.capabilities:
            _check_attention(model, x)
        if Capability.PARAMETERS in model.capabilities:
            _check_parameters(model, x)


def _check_input(model: Model, pictures: Sequence[Picture]) -> Array:
    name = model.name
    samples = [model.prepare(picture) for picture in pictures]
    for sample in samples:
        wanted = (1, *model.x_shape)
        rule(sample.x.shape == wanted, name, f"prepare() must give x of shape {wanted}. Got {sample.x.shape}.")
        rule(sample.x.dtype == np.float32, name, f"x must be float32. Got {sample.x.dtype}.")
        seen = (*model.input_shape[:2], 3)
        good = sample.view.shape == seen and sample.view.dtype == np.uint8
        rule(good, name, f"what the model sees must be uint8 {seen}. Got {sample.view.dtype} {sample.view.shape}.")
        shapes = None if sample.views is None else sample.views.shape[:1]
        good = shapes == (None if model.facts.frames is None else (model.facts.frames,))
        rule(good, name, f"prepare() must give what the model sees of each frame of a clip. Got {shapes}.")
    x = np.concatenate([sample.x for sample in samples])
    together = model.preprocess([_raw(picture) for picture in pictures])
    rule(together.dtype == np.float32, name, f"preprocess() must give float32. Got {together.dtype}.")
    rule(close(together, x), name, "preprocess() of several pictures must equal that of each.")
    return x


def _raw(picture: Picture) -> NDArray[Any]:
    if isinstance(picture.clip, np.ndarray):
        return picture.clip
    return picture.pixels if picture.values is None else picture.values


def _check_scores(model: Model, x: Array) -> None:
    name, kept = model.name, x.copy()
    outputs = model.outputs(x)
    rule(SCORES in outputs, name, f"outputs() must hold '{SCORES}'. Got {', '.join(outputs)}.")
    for key, values in outputs.items():
        rule(values.dtype == np.float32, name, f"the output '{key}' must be float32. Got {values.dtype}.")
        rule(len(values) == len(x), name, f"the output '{key}' must have one entry a picture. Got {values.shape}.")
    scores = model.predict(x)
    wanted = (len(x), len(model.labels))
    rule(scores.shape == wanted, name, f"predict() must return {wanted}. Got {scores.shape}.")
    rule(np.array_equal(x, kept), name, "the input must not be written to.")
    rule(np.array_equal(scores, model.predict(x)), name, "predict() must give the same numbers again.")
    single = np.concatenate([model.predict(one[None]) for one in x])
    rule(close(scores, single), name, "a batch must give what its pictures give one at a time.")
    size = model.batch_size
    try:
        for model.batch_size in (1, 2, 3):
            rule(close(scores, model.predict(x)), name, f"batches of {model.batch_size} give other scores.")
    finally:
        model.batch_size = size


def _check_decoding(model: Model, scores: Array) -> None:
    name = model.name
    decoded = model.decode_prob(scores)
    rule(len(decoded) == len(scores), name, f"decode_prob() must give {len(scores)} lists. Got {len(decoded)}.")
    for row in decoded:
        values = [prediction.probability for prediction in row]
        rule(values == sorted(values, reverse=True), name, "decode_prob() must be sorted, best first.")
        indices = [prediction.index for prediction in row]
        rule(len(set(indices)) == len(indices), name, "decode_prob() must give every class once.")
        right = all(prediction.label == model.labels[prediction.index] for prediction in row)
        rule(right, name, "decode_prob() must use the model's labels.")
        if model.head is not Head.NONE:
            rule(all(-1e-6 <= value <= 1 + 1e-6 for value in values), name, "probabilities must be in 0..1.")
        if model.head is Head.SOFTMAX and len(row) == len(model.labels):
            rule(abs(sum(values) - 1) < 1e-3, name, f"probabilities of a softmax must sum to 1. Got {sum(values):.4f}.")


def _check_patches(model: Model, x: Array) -> None:
    name = model.name
    height, width, _ = model.input_shape
    tall, wide = max(1, height // 3), max(1, width // 4)
    corners = [(0, 0), (0, width - wide), (height - tall, 0), (height - tall, width - wide), (height // 3, width // 5)]
    boxes = np.array([(top, left, tall, wide) for top, left in corners], dtype=np.int64)
    random = np.random.default_rng(0)
    shared = np.broadcast_to(x[0].mean(axis=tuple(range(x.ndim - 2))), x[0].shape).astype(np.float32)
    single = random.uniform(x.min(), x.max(), (len(boxes), *x.shape[1:])).astype(np.float32)
    whole = np.array([(0, 0, height, width)], dtype=np.int64)
    cases = [(boxes, shared), (boxes, single), (whole, shared)]
    if model.facts.frames is not None:
        length = max(1, model.facts.frames // 2)
        cases.append((np.array([(model.facts.frames - length, length, *box) for box in boxes], np.int64), shared))
    kept = x.copy()
    for places, contents in cases:
        covered = np.repeat(x, len(places), axis=0)
        for row, box in enumerate(places):
            place = place_of(box)
            covered[row][place] = (contents if contents.ndim < x.ndim else contents[row])[place]
        reports: list[tuple[int, int]] = []
        patched = model.predict_patched(x, places, contents, lambda *report, into=reports: into.append(report))
        rule(patched.dtype == np.float32, name, f"predict_patched() must be float32. Got {patched.dtype}.")
        rule(close(patched, model.predict(covered)), name, "predict_patched() must equal covering the picture.")
        rule(reports and reports[-1] == (len(places), len(places)), name, "predict_patched() must report progress.")
    rule(np.array_equal(x, kept), name, "predict_patched() must not write to the picture.")

    def cancel(done: int, total: int) -> None:
        raise CanceledError("Canceled by the trial.")

    must_raise(
        CanceledError, lambda: model.predict_patched(x, boxes, shared, cancel), name, "a cancel must end the work."
    )


def _check_layers(model: Model, x: Array) -> None:
    name, layers = model.name, model.layers()
    names = [layer.name for layer in layers]
    rule(layers, name, "layers() must list the layers of a model that has activations.")
    rule(len(set(names)) == len(names), name, f"layers must have names of their own. Got {names}.")
    rule(names == [layer.name for layer in model.layers()], name, "layers() must give the same order again.")
    backwards = model.activations(x, names[::-1])
    rule(list(backwards) == names[::-1], name, "activations() must give what was asked for, in that order.")
    for layer in layers:
        values, wanted = backwards[layer.name], (len(x), *layer.shape)
        rule(values.shape == wanted, name, f"'{layer.name}' must give {wanted}. Got {values.shape}.")
        rule(values.dtype == np.float32, name, f"'{layer.name}' must give float32. Got {values.dtype}.")
    for one in {names[0], names[len(names) // 2], names[-1]}:
        alone = model.activations(x[:2], [one])[one]
        rule(close(alone, backwards[one][:2]), name, f"'{one}' must give the same alone and for fewer pictures.")
    ends = list(dict.fromkeys((names[0], names[-1])))
    observed = model.observe(x, ends)
    rule(list(observed.values) == ends, name, "observe() must give the layers that were asked for.")
    rule(close(observed.values[names[-1]], backwards[names[-1]]), name, "observe() must give what activations() gives.")
    for key, value in model.whole.outputs(x).items():
        rule(close(observed.outputs[key], value), name, "observe() must give what the whole network's outputs() gives.")
    default = model.default_layer()
    rule(default is None or default.spatial, name, "default_layer() must have space.")
    unknown = lambda: model.activations(x[:1], ["no such layer"])  # noqa: E731
    must_raise(NotFoundError, unknown, name, "an unknown layer must be refused with NotFoundError.")


def _check_interventions(model: Model, x: Array) -> None:
    name, places = model.name, [layer.name for layer in model.layers()]
    default = model.default_layer()
    # Not the last: it may be the softmax at the end, before which scores are read.
    chosen = {places[0], places[len(places) // 2]} | ({default.name} if default else set())
    scores, seen = model.predict(x[:1]), model.activations(x[:1], sorted(chosen))
    for layer, values in seen.items():
        rows = np.concatenate([values, values * np.float32(0.5), values])
        replaced = model.predict_replaced(x[:1], layer, rows)
        wanted = (3, len(model.labels))
        rule(replaced.shape == wanted, name, f"predict_replaced() must return {wanted}. Got {replaced.shape}.")
        rule(replaced.dtype == np.float32, name, f"predict_replaced() must be float32. Got {replaced.dtype}.")
        same = close(replaced[[0, 2]], np.repeat(scores, 2, axis=0))
        rule(same, name, f"'{layer}' replaced by what it returned must give the same scores.")
        alone = model.predict_replaced(x[:1], layer, rows[1:2])
        rule(close(alone, replaced[1:2]), name, f"'{layer}' replaced must give the same scores alone.")
    if default is not None and Capability.GRADIENTS in model.capabilities:
        _check_replaced_slopes(model, x[:1], default.name, seen[default.name])
    unknown = lambda: model.predict_replaced(x[:1], "no such layer", seen[places[0]])  # noqa: E731
    must_raise(NotFoundError, unknown, name, "an unknown layer must be refused with NotFoundError.")


def _check_replaced_slopes(model: Model, x: Array, layer: str, values: Array) -> None:
    """Compare how the score moves when a layer's values do with the gradient there."""
    target = model.target(0)
    gradient = model.pullback(x, [target], [layer]).gradients[layer][0].astype(np.float64)
    size = float(np.linalg.norm(gradient))
    if size == 0:
        return
    errors = []
    # A kink behind the layer spoils a long step, and rounding a short one: one of them must agree.
    for step in np.array([0.3, 0.1, 0.03, 0.01, 0.003]) * max(float(values.std()), 1e-3):
        moved = gradient / size * step * np.sqrt(values.size) * 0.1
        ends = np.concatenate([values + moved, values - moved]).astype(np.float32)
        high, low = target.of_classes(model.predict_replaced(x, layer, ends)).astype(np.float64)
        slope = float((gradient * moved).sum())
        errors.append(abs((high - low) / 2 - slope) / slope)
    rule(min(errors) < 0.05, model.name, f"replacing '{layer}' differs from its gradient by {min(errors):.1%}.")


def _check_gradients(model: Model, x: Array) -> None:
    name, classes = model.name, len(model.labels)
    target = model.target(0)
    other = model.target(1 if classes > 1 else 0)
    pulled = model.pullback(x, [target, other])
    shape = (2, *x.shape)
    gradient = pulled.gradients[INPUT]
    rule(gradient.shape == shape, name, f"gradients must be (targets, n, h, w, c) = {shape}. Got {gradient.shape}.")
    rule(gradient.dtype == np.float32, name, f"gradients must be float32. Got {gradient.dtype}.")
    rule(np.isfinite(gradient).all(), name, "gradients must be finite.")
    rule(np.array_equal(pulled.values[INPUT], x), name, "the value at the input must be the input.")
    rule(close(pulled.outputs[SCORES], model.outputs(x)[SCORES]), name, "pullback() must return the same outputs.")
    alone = model.pullback(x[:1], [other]).gradients[INPUT]
    rule(close(alone[0], gradient[1, :1], 1e-3), name, "several targets must give what each gives alone.")
    if classes > 1:
        pair = model.pullback(x, [model.target(f"{0} - {1}")]).gradients[INPUT][0]
        rule(close(pair, gradient[0] - gradient[1], 1e-3), name, "a difference's gradient is not the difference.")
    _check_slopes(model, x[:1], pulled)
    unknown = lambda: model.pullback(x[:1], [target], ["no such layer"])  # noqa: E731
    must_raise(NotFoundError, unknown, name, "an unknown layer must be refused with NotFoundError.")
    if Capability.ACTIVATIONS in model.capabilities:
        names = [layer.name for layer in model.layers() if len(layer.shape) in (3, 4)]
        places = list(dict.fromkeys(names[:1] + names[-1:]))
        inner = model.pullback(x[:2], [target], places)
        seen = model.activations(x[:2], places)
        for place in places:
            rule(close(inner.values[place], seen[place]), name, f"pullback's value at '{place}' is no activation.")
            wanted = (1, *seen[place].shape)
            got = inner.gradients[place].shape
            rule(got == wanted, name, f"the gradient at '{place}' must be {wanted}. Got {got}.")


def _check_slopes(model: Model, x: Array, pulled: Pullback) -> None:
    """Compare the input gradient with finite differences along random directions."""
    target, gradient = model.target(0), pulled.gradients[INPUT][0, 0].astype(np.float64)
    random = np.random.default_rng(0)
    size = float(np.linalg.norm(gradient)) or 1.0
    misses = []
    for _ in range(9):
        # Half along the gradient itself, so that the slope stands out from rounding.
        direction = random.normal(size=gradient.shape)
        direction = direction / np.linalg.norm(direction) + gradient / size
        slope = float((gradient * direction).sum())
        errors = []
        # A kink of a ReLU spoils a long step, and rounding a short one: one of them must agree.
        for step in np.array([0.3, 0.1, 0.03, 0.01, 0.003]) * max(float(x.std()), 1e-3):
            ends = np.concatenate([x + step * direction, x - step * direction]).astype(np.float32)
            high, low = target(model.outputs(ends)).astype(np.float64)
            errors.append(abs((high - low) / (2 * step) - slope))
        misses.append(min(errors) / size)
    miss = float(np.median(misses))
    rule(miss < 0.05, model.name, f"the input gradient differs from finite differences by {miss:.1%}.")


def _check_rules(model: Model, x: Array) -> None:
    plain = model.pullback(x, [model.target(0)])
    for relu in (ReluRule.GUIDED, ReluRule.DECONVNET):
        pulled = model.pullback(x, [model.target(0)], rules=Rules(relu=relu))
        same = close(pulled.outputs[SCORES], plain.outputs[SCORES])
        rule(same, model.name, f"the rule {relu} must change gradients only, not outputs.")
        good = pulled.gradients[INPUT].shape == plain.gradients[INPUT].shape
        rule(good and np.isfinite(pulled.gradients[INPUT]).all(), model.name, f"the rule {relu} gives no gradient.")
    after = model.pullback(x, [model.target(0)])
    rule(close(after.gradients[INPUT], plain.gradients[INPUT]), model.name, "a rule must not outlast its call.")


def _check_relevance(model: Model, x: Array) -> None:
    name, classes = model.name, len(model.labels)
    targets = [model.target(0), model.target(1 if classes > 1 else 0)]
    absent, plain = np.broadcast_to(x.mean(axis=(0, 1, 2)), x.shape[1:]).astype(np.float32), LrpRule.EPSILON
    for rules in (RescaleRule(absent), LayerwiseRules(plain, plain, plain)):
        kind = type(rules).__name__
        try:
            found = model.relevance(x, targets, rules)
        except NotSupportedError:
            continue  # the network holds what rules do not know, and that was said
        shape = (2, *x.shape)
        rule(found.values.shape == shape, name, f"relevance must be {shape}. Got {found.values.shape}.")
        rule(found.values.dtype == np.float32, name, f"relevance must be float32. Got {found.values.dtype}.")
        same = close(found.outputs[SCORES], model.outputs(x)[SCORES])
        rule(same, name, "relevance() must return the same outputs.")
        rule(found.rules, name, "relevance() must say which rules it applied.")
        size = np.abs(found.values).sum(axis=(2, 3, 4)) + np.abs(found.shared)
        left = float((np.abs(found.unaccounted) / np.maximum(size, 1e-6)).max())
        rule(left < 1e-3, name, f"by {kind}, {left:.1%} of the score is neither shared out nor said to be kept.")
        if not found.before_head and isinstance(rules, RescaleRule) and model.focus is None:
            wanted = [target(model.outputs(x)) - target(model.outputs(absent[None])) for target in targets]
            rule(close(found.shared, np.stack(wanted), 1e-3), name, "DeepLIFT must share the difference of scores out.")
        alone = model.relevance(x[:1], targets[1:], rules).values
        rule(close(alone[0], found.values[1, :1], 1e-3), name, "several targets must give what each gives alone.")


def _check_attention(model: Model, x: Array) -> None:
    name, classes = model.name, len(model.labels)
    targets = [model.target(0), model.target(1 if classes > 1 else 0)]
    for early in (False, True):
        try:
            found = model.attention(x, targets, early)
        except NotSupportedError:
            continue  # the network has no attention among the patches' tokens, and that was said
        same = close(found.outputs[SCORES], model.outputs(x)[SCORES])
        rule(same, name, "attention() must return the same outputs.")
        rows, columns = found.grid
        rule(found.extra >= 0, name, f"{found.tokens} tokens are fewer than {rows} x {columns} patches.")
        last = found.layers[-1].weights.shape[2]
        rule(found.read.shape == (last,) and found.read.any(), name, "read must say which queries are read.")
        alone = model.attention(x[:1], targets[1:], early)
        for layer, single in zip(found.layers, alone.layers, strict=True):
            shape = (len(x), *layer.weights.shape[1:3], found.tokens)
            good = layer.weights.ndim == 4 and layer.weights.shape == shape
            rule(good, name, f"weights must be (n, heads, queries, keys) = {shape}. Got {layer.weights.shape}.")
            got = layer.gradients.shape
            rule(got == (2, *shape), name, f"the weights' gradients must be {(2, *shape)}. Got {got}.")
            good = layer.weights.dtype == np.float32 and layer.gradients.dtype == np.float32
            rule(good, name, f"attention must be float32. Got {layer.weights.dtype} and {layer.gradients.dtype}.")
            miss = float(np.abs(layer.weights.sum(axis=-1) - 1).max())
            rule(miss < 1e-3 and (layer.weights >= 0).all(), name, f"the weights of '{layer.name}' must sum to 1.")
            rule(close(single.weights, layer.weights[:1], 1e-3), name, "a picture alone must have the same attention.")
            same = close(single.gradients, layer.gradients[1:, :1], 1e-3)
            rule(same, name, "several targets must give what each gives alone.")


def _check_parameters(model: Model, x: Array) -> None:
    name, known, scores = model.name, model.parameters(), model.predict(x)
    for key, value in known.items():
        rule(value.dtype == np.float32, name, f"the parameter '{key}' must be float32. Got {value.dtype}.")
        rule(not value.flags.writeable, name, f"the parameter '{key}' must be read-only.")
    same = model.with_parameters({})
    rule(close(same.predict(x), scores), name, "with_parameters({}) must give the same scores.")
    unknown = lambda: model.with_parameters({"no such parameter": np.zeros(1, np.float32)})  # noqa: E731
    must_raise(NotFoundError, unknown, name, "an unknown parameter must be refused with NotFoundError.")
    if not known:  # a network that has learned nothing
        return
    empty = {key: np.zeros_like(value) for key, value in known.items()}
    emptied = model.with_parameters(empty)
    found = emptied.parameters()
    rule(list(found) == list(known), name, "a copy must have the same parameters in the same order.")
    zero = all(not value.any() for value in found.values())
    rule(zero, name, "a copy's parameters must be those that it was made with.")
    blind = emptied.predict(x)
    rule(close(blind, np.repeat(blind[:1], len(x), axis=0)), name, "without weights every picture must score alike.")
    rule(emptied.digest != model.digest, name, "a copy with other parameters must have another digest.")
    back = emptied.with_parameters(known)
    rule(close(back.predict(x), scores, 1e-3), name, "a copy with the old parameters must give the old scores.")
    if Capability.GRADIENTS in model.capabilities:
        gradient = emptied.pullback(x[:1], [emptied.target(0)]).gradients[INPUT]
        rule(not gradient.any(), name, "without weights the gradient must be zero.")
    rule(np.array_equal(model.predict(x), scores), name, "with_parameters() must leave the model as it was.")
    first = next(iter(known))
    misshapen = lambda: model.with_parameters({first: np.zeros((7, 1, 7), np.float32)})  # noqa: E731
    must_raise(ConfigurationError, misshapen, name, "a parameter of another shape must be refused.")
