"""Gradients under a ReLU rule, and whether the rule has seen every ReLU that ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from picasso.core.errors import NotSupportedError
from picasso.core.facts import INPUT, ReluRule, Rules, Sample
from picasso.core.graph import Activation, Constant, Elementwise, Graph, GraphError, Op, Pool
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.core.visualization import Context

_GATES = frozenset({
    "leaky_relu", "prelu", "elu", "selu", "celu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "silu", "gelu",
    "gelu_tanh", "softplus", "softsign", "mish", "abs", "clip",
})  # fmt: skip
"""Activations that are no ReLU: the rule does not apply to them."""


def ruled_gradients(
    ctx: Context, sample: Sample, targets: Sequence[Target], rule: ReluRule
) -> tuple[Array, tuple[str, ...]]:
    """Pull targets back to the input under a rule, and check that the rule has seen every ReLU.

    Returns:
        The gradients (targets, ...), and what must be known of them.

    Raises:
        NotSupportedError: A ReLU ran that the rule has not seen, or there is none.
    """
    pulled = ctx.model.pullback(sample.x, targets, rules=Rules(rule))
    if ctx.model.reads_layer:  # the op graph leads to the outputs, and only the ReLUs before the layer matter
        return pulled.gradients[INPUT][:, 0], _before_layer(rule, pulled.ruled)
    return pulled.gradients[INPUT][:, 0], coverage(ctx.model, rule, pulled.ruled)


def _before_layer(rule: ReluRule, ruled: int | None) -> tuple[str, ...]:
    """Say what must be known of a rule on the way to a channel of a layer.

    Raises:
        NotSupportedError: No ReLU followed it.
    """
    if ruled == 0:
        raise NotSupportedError(f"No ReLU of this network followed the rule {rule}.", "Take the saliency map.")
    count = "an unknown number of" if ruled is None else str(ruled)
    return (
        f"The ReLU rule {rule} is not the gradient of the activation.",
        f"Coverage not known: {count} ReLUs followed the rule; whether others ran before the layer is not known.",
    )


def coverage(model: Model, rule: ReluRule, ruled: int | None) -> tuple[str, ...]:
    """Compare how many ReLUs followed a rule with those of the network's op graph.

    Args:
        model: The model.
        rule: The rule.
        ruled: How many followed it; None where that is not counted.

    Returns:
        What must be known, one sentence each.

    Raises:
        NotSupportedError: Not all followed it, or none.
    """
    try:
        graph: Graph | None = model.graph()
    except GraphError as error:
        graph, unread = None, str(error)
    relus = [] if graph is None else [op for op in graph.ops if _is_relu(op, graph)]
    if ruled == 0:
        named = f" It runs {_named(relus)}, none of which was seen." if relus else ""
        raise NotSupportedError(
            f"No ReLU of this network followed the rule {rule}, so that the map would be the plain gradient.{named}",
            "Take the saliency map.",
        )
    notes = [f"The ReLU rule {rule} is not the gradient of the score."]
    if graph is None:
        count = "an unknown number of" if ruled is None else str(ruled)
        notes.append(f"Coverage not known: {count} ReLUs followed the rule; whether others ran is not known. {unread}")
        return tuple(notes)
    if ruled is None:
        notes.append(f"Coverage not known: {model.framework} models do not count the ReLUs that follow the rule.")
    elif ruled < len(relus):
        raise NotSupportedError(
            f"Only {ruled} of the {len(relus)} ReLUs of this network followed the rule {rule}. Not seen: "
            f"{len(relus) - ruled} of {_named(relus)}.",
            "Write them as the framework's own ReLU, or take the saliency map.",
        )
    elif ruled > len(relus):
        notes.append(
            f"{ruled} ReLUs followed the rule, {len(relus)} of them on the way to the score as ReLUs; the others are "
            "parts of other functions, such as a hard swish, or lead elsewhere."
        )
    if gates := Counter(op.function for op in graph.ops if isinstance(op, Activation) and _is_gate(op, relus)):
        said = ", ".join(f"{count} {function}" for function, count in sorted(gates.items()))
        notes.append(f"The rule does not apply to {said}: these pass the plain gradient.")
    return tuple(notes)


def switches(model: Model) -> tuple[str, ...]:
    """Say how the gradient passes max pooling, where the network has any."""
    try:
        graph = model.graph()
    except GraphError:
        return ()
    if not any(isinstance(op, Pool) and op.function == "max" for op in graph.ops):
        return ()
    return ("Max pooling passes the gradient to where each maximum was: these are the paper's switches.",)


def _is_relu(op: Op, graph: Graph) -> bool:
    """Say whether an operation is a ReLU, whatever its name: nothing below zero passes, everything small above does."""
    if isinstance(op, Activation):
        flat = op.function == "leaky_relu" and op.slope == 0
        return flat or op.function == "relu" or (op.function == "clip" and op.low == 0 and op.high > 0)
    if isinstance(op, Elementwise) and op.function == "maximum":
        made = (graph.by_name[name] for name in op.inputs)
        return any(isinstance(one, Constant) and not np.any(one.value) for one in made)
    return False


def _is_gate(op: Activation, relus: Sequence[Op]) -> bool:
    return op.function in _GATES and op not in relus


def _named(ops: Sequence[Op]) -> str:
    """Name operations by function and layer: "relu in block.act, clip in head"."""
    said = [
        f"{op.function if isinstance(op, Activation | Elementwise) else ''} in '{op.layer or op.name}'"
        for op in ops[:8]
    ]
    return ", ".join(said) + (f" and {len(ops) - 8} more" if len(ops) > 8 else "")
