"""Comparisons of methods, the scorecard in the app: what is asked for, under which key it is kept, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from picasso.core.asking import read_place
from picasso.core.errors import NotFoundError, NotSupportedError, PictureError, SettingsError, TargetError
from picasso.core.facts import Task
from picasso.core.result_keys import result_key, target_key
from picasso.core.tested import of_channel
from picasso.service.artifacts import Artifacts
from picasso.service.cards import Card, unfit
from picasso.service.catalog import Catalog
from picasso.service.database import now
from picasso.service.panel_store import finite
from picasso.service.records import ComparisonRecord, ComparisonRequest, JobRecord, ModelState, ResultRecord
from picasso.service.store import Store

if TYPE_CHECKING:
    from picasso.scorecard.comparison import Comparison

NAME = "scorecard"
"""What stands for the visualization in a job that compares."""
FORMAT = 1
"""A change of what is kept or measured; what was kept before is not found any more."""
Asked = tuple[tuple[str, str, int], Mapping[str, Any]]
"""A method's name, digest and version, and its settings."""


def comparison_key(
    *,
    model: str,
    methods: Sequence[Asked],
    pictures: Sequence[str],
    masks: Sequence[str | None],
    target: str | None,
    seed: int,
    at: str,
) -> str:
    """Return the key under which a comparison is kept: equal exactly when the same numbers must come out.

    Args:
        model: The model's digest.
        methods: The methods, in their order.
        pictures: Digests, in their order.
        masks: For each its mask's digest or None; empty where there is none.
        target: Key of the target; None for the best class of each picture.
        seed: Seed of everything random.
        at: The key of the place that is explained, or "".
    """
    return result_key(
        model=model,
        visualization=(NAME, "", FORMAT),
        settings={
            "methods": [[list(known), dict(settings)] for known, settings in methods],
            **({"masks": list(masks)} if masks else {}),
        },
        picture="\n".join(pictures),
        targets=[] if target is None else [target],
        top=1,
        seed=seed,
        at=at,
    )


def checked(store: Store, catalog: Catalog, request: ComparisonRequest) -> tuple[ComparisonRequest, str]:
    """Refuse what is known not to fit; the worker looks again.

    Args:
        store: Models and pictures.
        catalog: The visualizations.
        request: What is asked for.

    Returns:
        The request with complete settings, and its key; "" where the model has to be opened to know it.

    Raises:
        NotFoundError: There is no such model, method, picture or mask.
        SettingsError, TargetError, PictureError: A value is not allowed.
        NotSupportedError: The model lacks what a method needs, or one makes no map.
    """
    if not request.methods:
        raise SettingsError("There is no method to compare.", "Name at least one.")
    if not request.pictures:
        raise PictureError("A comparison needs at least one picture.", "Choose one.")
    known = store.pictures_of(request.pictures)
    for digest in request.pictures:
        if digest not in known:
            raise NotFoundError(f"There is no picture '{digest[:80]}'.", "Upload it first.")
    if request.masks and len(request.masks) != len(request.pictures):
        raise SettingsError(
            f"There must be one mask, or none, for each of {len(request.pictures)} pictures. Got {len(request.masks)}.",
            "Give null for a picture without a mask.",
        )
    for digest, mask in zip(request.pictures, request.masks, strict=False):
        if mask is not None:
            store.mask(digest, mask)
    found = [catalog.get(name) for name, _ in request.methods]
    for one in found:
        if not one.attributes:
            raise NotSupportedError(f"'{one.name}' makes no map of a target, so there is nothing to compare.")
    settings = [catalog.read_settings(name, values) for name, values in request.methods]
    complete = ComparisonRequest(
        request.model,
        tuple((one.name, values) for one, values in zip(found, settings, strict=True)),
        request.pictures,
        request.target,
        request.seed,
        request.at,
        request.masks if any(request.masks) else (),
    )
    return complete, key_of(store, catalog, complete)


def key_of(store: Store, catalog: Catalog, request: ComparisonRequest) -> str:
    """Return the key of a comparison whose settings are complete; "" where the model has to be opened to know it.

    Raises:
        PicassoError: As `checked`.
    """
    found = [catalog.get(name) for name, _ in request.methods]
    place = read_place(request.at)
    if place is not None and place.mask is not None:
        raise TargetError("A job explains a pixel, a box or a detection.", "Give x,y or left,top,width,height.")
    model = store.model(request.model)
    if model.card is None or model.state is ModelState.FAILED or not (card := Card.read(model.card)).fresh():
        return ""
    if card.frames is not None:
        raise NotSupportedError("Maps are compared on still pictures; this model reads clips.")
    for one in found:
        if reason := unfit(one, card):
            raise NotSupportedError(reason, "Leave it out.")
    task = Task(card.task)
    if place is not None and place.channel is None and task is Task.CLASSIFICATION:
        raise TargetError("A classifier answers for the whole picture, not for a place in it.", "Leave it out.")
    target = request.target
    return comparison_key(
        model=card.digest,
        methods=[
            ((one.name, one.digest, one.version), values)
            for one, (_, values) in zip(found, request.methods, strict=True)
        ],
        pictures=request.pictures,
        masks=request.masks,
        target=None if target is None else target_key(target, card.labels, card.columns, task),
        seed=request.seed,
        at=place.key if place else "",
    )


def request_of(store: Store, catalog: Catalog, result: ResultRecord) -> ComparisonRequest:
    """Return what is asked to measure the map of a result: its method, its picture, its first target.

    Raises:
        NotSupportedError: It is no map, or the model or the visualization has changed since.
        NotFoundError: The model or the visualization is not known any more.
    """
    document = result.document
    if not document["attributions"] or result.picture is None:
        raise NotSupportedError("This result has no map of a target, so there is nothing to measure.")
    if "frames" in document["model"]:
        raise NotSupportedError("Maps are measured on still pictures; this model reads clips.")
    again = "Explain the picture again, then measure that map."
    if catalog.get(result.visualization).digest != document["visualization"]["digest"]:
        raise NotSupportedError("The visualization has changed since this map was made.", again)
    model = store.model(result.model)
    if model.card is not None and Card.read(model.card).digest != document["model"]["digest"]:
        raise NotSupportedError("The model has changed since this map was made.", again)
    return ComparisonRequest(
        model=result.model,
        methods=((result.visualization, document["settings"]),),
        pictures=(result.picture,),
        target=None if of_channel(document) else _asked_again(document["targets"][0]),
        seed=int(document["seed"]),
        at=document.get("at"),
    )


def _asked_again(target: Mapping[str, Any]) -> int | str:
    """Return what to write for the target of a result: its labels, where it is a difference, as labels come first."""
    return str(target["label"]) if "minus" in target else int(target["index"])


def record_of(
    comparison: Comparison,
    key: str,
    job: JobRecord,
    pictures: Sequence[str],
    masks: Sequence[str | None],
    artifacts: Artifacts,
) -> ComparisonRecord:
    """Keep the arrays and drawn maps of a comparison among the artifacts, and return the rest as a record."""
    from picasso.scorecard.report import drawn_maps, drawn_view

    def kept(image: Any) -> dict[str, Any]:
        array = artifacts.put_array(np.asarray(image))
        return {"artifact": array.artifact, "dtype": array.dtype, "shape": list(array.shape)}

    shown = tuple(
        {
            "name": picture.name,
            "picture": picture.digest,
            "target": picture.target,
            "score": picture.score,
            "view": kept(drawn_view(picture)),
            "maps": [
                {"name": card.name, "title": card.title, "units": units, "image": kept(image)}
                for card, image, units in drawn_maps(picture, comparison)
            ],
        }
        for picture in comparison.pictures
        if picture.maps
    )
    return ComparisonRecord(
        key=key,
        job=job.id,
        model=job.model,
        pictures=tuple(pictures),
        document=finite(comparison.document()),
        shown=tuple(finite(shown)),
        page=artifacts.put(comparison.html().encode(), durable=True),
        arrays=artifacts.put(comparison.npz(), durable=True),
        created=now(),
        masks=tuple(masks),
    )
