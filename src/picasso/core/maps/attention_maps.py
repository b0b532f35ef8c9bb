"""Maps of attention: what all of them share, so that each is little more than its paper's formula."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.core.attribution import Attribution, enlarge
from picasso.core.errors import NotSupportedError
from picasso.core.facts import Capability, Sample
from picasso.core.layers.attention import Attention
from picasso.core.preprocessing import Array
from picasso.core.settings import Settings
from picasso.core.targets import Target
from picasso.core.visualization import AttributionMethod, Context, Family

Wide = NDArray[np.float64]
"""One number for each token, (tokens,), or for each pair of tokens, (queries, keys)."""
NO_CLASS = "It knows no class: this map is the same for every target."


class QuerySettings(Settings):
    """Whose attention is shown."""

    query: Literal["read", "class", "mean"] = Field(
        "read",
        title="Query",
        description="Whose attention is shown. read: of those tokens that the network's answer is read from, which "
        "are the class token in most networks, and the patches where their mean is classified. class: of the first "
        "token, where one comes before the patches. mean: of all tokens, in the mean.",
    )


T = TypeVar("T", bound=Settings)


class AttentionMethod(AttributionMethod[T]):
    """A map made of the weights with which a transformer's tokens attend to each other.

    Class attributes:
        units: What a value is.
        early: Whether each layer is asked for the score that the network would give if its block were the last.
        knows_class: Whether maps differ from target to target.
    """

    units: ClassVar[str]
    early: ClassVar[bool] = False
    knows_class: ClassVar[bool] = True
    family = Family.TRANSFORMERS
    needs = frozenset({Capability.ATTENTION})

    @abstractmethod
    def weigh(self, attention: Attention, target: int, settings: T) -> Wide:
        """Return what each token of the first picture counts for a target, (tokens,), never negative.

        Args:
            attention: All layers.
            target: Its place among the targets.
            settings: The settings.
        """

    def attribute(self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: T) -> list[Attribution]:
        ctx.progress(0, 1, "Forward, and backward to the attention")
        attention = ctx.model.attention(sample.x, targets, self.early)
        ctx.progress(1, 1)
        made = []
        for number, target in enumerate(targets):
            tokens = self.weigh(attention, number, settings)
            native = on_patches(attention, tokens)
            notes = () if self.knows_class else (NO_CLASS,)
            made.append(
                Attribution(
                    values=enlarge(native, *sample.x.shape[1:3]),
                    target=target,
                    units=self.units,
                    sign="unsigned",
                    score=float(target.of_classes(ctx.scores)),
                    native=native,
                    laid=f"{native.shape[0]} x {native.shape[1]} patches, bilinear between their centers",
                    notes=(*notes, *_off_the_picture(attention, tokens)),
                )
            )
        return made


def on_patches(attention: Attention, tokens: Wide) -> Array:
    """Lay what the tokens have, (tokens,), out on the patches: float32 (rows, columns)."""
    return tokens[attention.extra :].reshape(attention.grid).astype(np.float32)


def of_query(attention: Attention, weights: Wide, query: str) -> Wide:
    """Return what the keys have of the queries that are asked about, (keys,).

    Args:
        attention: Whose queries.
        weights: (queries, keys).
        query: As in `QuerySettings`.

    Raises:
        NotSupportedError: There is no class token.
    """
    if query == "class" and attention.extra == 0:
        raise NotSupportedError(
            "This network has no class token: every token is a patch.", "Set query to read, or to mean."
        )
    chosen = weights
    if query == "class":
        chosen = weights[:1]
    elif query == "read" and len(weights) == len(attention.read):
        chosen = weights[attention.read]
    mean: Wide = chosen.mean(axis=0)
    return mean


def among_tokens(attention: Attention) -> list[Wide]:
    """Return for each layer the weights of the first picture, (heads, tokens, tokens), of tokens by themselves.

    Raises:
        NotSupportedError: In a layer the queries are not the tokens that it takes from.
    """
    for layer in attention.layers:
        queries, keys = layer.weights.shape[-2:]
        if queries != keys:
            raise NotSupportedError(
                f"At '{layer.name}' there are {keys} tokens, and {queries} of what takes from them: tokens cannot be "
                "followed through such a layer.",
                "Choose attention-map, which shows one layer.",
            )
    return [layer.weights[0].astype(np.float64) for layer in attention.layers]


def _off_the_picture(attention: Attention, tokens: Wide) -> tuple[str, ...]:
    """Return what must be known where tokens have something that lie nowhere in the picture, or none has anything."""
    whole = float(tokens.sum())
    if whole <= 0:
        return ("No token has anything of this target.",)
    share = float(tokens[: attention.extra].sum()) / whole
    if share < 0.05:
        return ()
    kind = "the class token has" if attention.extra == 1 else f"the {attention.extra} class and register tokens have"
    return (f"Of all that the tokens have, {kind} {share:.0%}, which lies nowhere in the picture.",)
