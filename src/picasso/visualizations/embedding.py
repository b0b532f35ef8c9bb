"""Embedding: the pictures of a folder as points, near each other where a layer finds them alike."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Capability,
    Coloring,
    Context,
    FolderSettings,
    ModelVisualization,
    NotSupportedError,
    Panel,
    PictureIndex,
    Reading,
    Scatter,
    Text,
    index_pictures,
    make_atlas,
    nearest_neighbors,
    principal_axes,
    read_layer,
    tsne,
    umap,
)

NEIGHBORS = 12
"""Nearest pictures that are shown of each."""
LEAST = 8
"""Pictures below which neighborhoods say nothing."""
TILE = 64
"""Side of a tile at most, pixels."""
AXES = {"pca": "principal component", "tsne": "t-SNE axis", "umap": "UMAP axis"}


class EmbeddingSettings(FolderSettings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose codes are laid out: the mean of each channel over all places. Left empty: the last with "
        "space through which everything flows.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    method: Literal["pca", "tsne", "umap"] = Field(
        "pca",
        title="Method",
        description="pca: the two directions of the largest variance, at once. tsne: neighbors stay neighbors. umap: "
        "the same, and groups keep something of their distances. The last two need the extra embedding.",
    )
    neighborhood: int = Field(
        30,
        ge=2,
        le=500,
        title="Neighborhood",
        description="About how many neighbors each picture has in tsne and umap.",
    )


class Embedding(ModelVisualization[EmbeddingSettings]):
    """The pictures of a folder as points of a plane, near each other where a layer finds them alike."""

    name = "embedding"
    title = "Embedding"
    references = (
        "van der Maaten and Hinton 2008, Visualizing data using t-SNE",
        "McInnes, Healy and Melville 2018, arXiv:1802.03426",
    )
    formula = "code(picture)_k = mean over places p of A_k(p);  pca: the two largest eigenvectors of their covariance"
    pitfalls = (
        "t-SNE and UMAP promise neighbors and nothing else: distances between groups, their sizes and their shapes "
        "mean little, and noise forms groups, too.",
        "The mean over all places forgets where something lies; what is small in the picture hardly moves it.",
        "Pictures of one class close together show that the layer tells the classes apart, not by what.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    def look(self, ctx: Context, settings: EmbeddingSettings) -> Iterator[Panel]:
        layer = read_layer(ctx.model, settings.layer)
        reading = Reading(layer)
        index = index_pictures(ctx.model, settings.album, (reading,), ctx.progress, settings.pictures)
        if len(index) < LEAST:
            raise NotSupportedError(
                f"An embedding needs at least {LEAST} pictures. Got {len(index)}.", "Give a larger folder."
            )
        codes = index.strongest(reading, "mean")
        neighbors, cosines = nearest_neighbors(codes, NEIGHBORS)
        atlas = make_atlas(index.views(range(len(index)), ctx.progress), len(index), TILE)
        colorings = _colorings(ctx, index)

        def panel(points: Array, caption: str) -> Scatter:
            axis = AXES[settings.method]
            return Scatter(
                id="embedding",
                title=f"{len(index):,} pictures by {layer}",
                caption=caption,
                points=points,
                names=index.names,
                atlas=atlas,
                colorings=colorings,
                neighbors=neighbors,
                x_title=f"1st {axis}",
                y_title=f"2nd {axis}",
                album=settings.album,
            )

        said = f"The mean of each of {codes.shape[1]:,} channels; neighbors by the cosine of their angle."
        if settings.method == "pca":
            points, shares = principal_axes(codes)
            said += f" The axes hold {shares[0]:.0%} and {shares[1]:.0%} of the variance."
        elif settings.method == "tsne":
            points = tsne(
                codes,
                settings.neighborhood,
                ctx.seed,
                lambda done, total: ctx.progress(done, total, "t-SNE"),
                lambda so_far: ctx.show(panel(so_far, f"{said} Still moving.")) if ctx.watched else None,
            )
        else:
            ctx.progress(0, 1, f"UMAP of {len(index):,} pictures")
            points = umap(codes, settings.neighborhood, ctx.seed)
        ctx.progress(1, 1)
        ctx.keep("points", points)
        ctx.keep("neighbors", neighbors)
        ctx.keep("cosines", cosines)
        if index.scores.shape[1] > 1:
            ctx.keep("prediction", index.scores.argmax(axis=1))
        yield panel(points, said)
        yield Text(id="said", title="What was looked at", text=_said(index, neighbors))


def _colorings(ctx: Context, index: PictureIndex) -> tuple[Coloring, ...]:
    """Return what the points can be colored by, as far as it is known."""
    found = []
    classes = index.dataset.classes
    if classes:
        labels = np.array([classes.index(example.label) for example in index.examples], np.int32)
        found.append(Coloring("label", classes, labels))
    if index.scores.shape[1] > 1:
        best = index.scores.argmax(axis=1)
        seen = np.unique(best)
        words = tuple(ctx.model.labels[number] for number in seen)
        found.append(Coloring("prediction", words, np.searchsorted(seen, best).astype(np.int32)))
        if index.labelled:
            right = np.where(index.truth < 0, -1, index.truth == best).astype(np.int32)
            found.append(Coloring("correctness", ("wrong", "right"), right))
    return tuple(found)


def _said(index: PictureIndex, neighbors: np.ndarray) -> str:
    """Say what was looked at, and how far neighbors share a class."""
    said = index.said()
    if index.unmatched:
        said += f" {index.unmatched}"
    classes = index.dataset.classes
    if len(classes) > 1:
        labels = np.array([classes.index(example.label) for example in index.examples])
        same = labels[neighbors[:, 0]] == labels
        counts = np.bincount(labels)
        chance = float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))  # none is its own neighbor
        said += f"\n\nThe nearest neighbor of {same.mean():.0%} has the same label; by chance {chance:.0%} would."
    return said
