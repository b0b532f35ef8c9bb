"""Jobs that compare methods, with real worker processes, and what is kept of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.core import errors
from picasso.core.tested import Standing, what_is_known
from picasso.demo.catalog import FILES
from picasso.service.comparisons import request_of
from picasso.service.configuration import ModelSpecification
from picasso.service.exports import export
from picasso.service.records import ComparisonRecord, ComparisonRequest, JobRequest, ResultRecord, State
from picasso.service.service import Service

from .conftest import configure, ended, picture, request, running, wait_until, write

EDGES = """
    import numpy as np
    from pydantic import Field
    from picasso.plugin import Attribution, AttributionMethod, Settings

    class EdgesSettings(Settings):
        pass

    class Edges(AttributionMethod[EdgesSettings]):
        '''Show the picture's edges, whatever the network.'''

        name, title = "edges", "Edges only"

        def attribute(self, ctx, sample, targets, settings):
            down, across = np.gradient(sample.view.mean(axis=2).astype(np.float32))
            values = np.hypot(down, across).astype(np.float32)
            return [Attribution(values, t, "steepness", "unsigned", float(t.of_classes(ctx.scores))) for t in targets]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the model without framework, the network of digits, and a method that shows edges."""
    folder = tmp_path_factory.mktemp("comparisons")
    configuration = configure(folder, names=("Toy",))
    write(folder / "plugins" / "edges.py", EDGES)
    models = (*configuration.models, ModelSpecification(source="demo:digits"))
    made = Service(configuration.model_copy(update={"models": models}))
    made.start()
    yield made
    made.stop()


DIGIT = FILES / "digits" / "7-0480.png"


def render_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def explained(house: Service, visualization: str, **settings: Any) -> ResultRecord:
    digest = house.pictures.adopt(DIGIT.read_bytes(), DIGIT.name).digest
    job = house.jobs.submit(JobRequest("demo:digits", visualization, (digest,), settings, top=2))
    assert ended(house, job).state is State.DONE, house.records.job(job.id).error
    key = house.records.tasks([job.id])[job.id][0].result
    assert key is not None
    return house.store.result(key)


def measured(house: Service, result: ResultRecord) -> ComparisonRecord:
    job = ended(house, house.jobs.compare(request_of(house.store, house.catalog, result)))
    assert job.state is State.DONE, job.error
    assert job.comparison is not None
    return house.store.comparison(job.comparison)


def test_a_map_is_untested_then_warned_of_and_the_card_is_kept(house: Service) -> None:
    result = explained(house, "edges")
    assert str(what_is_known(result.document)) == "untested"
    assert house.measured(result) == (None, None)
    found = measured(house, result)
    assert what_is_known(result.document).standing is Standing.WARNED
    (card, *controls) = found.document["cards"]
    assert (card["name"], card["trust"]) == ("edges", "do not trust")
    assert [one["name"] for one in controls] == ["sobel", "gaussian", "noise"]
    assert found.document["pictures"][0]["target"] == result.document["targets"][0]["label"]
    assert house.measured(result) == (found.key, None)
    again = house.jobs.compare(request_of(house.store, house.catalog, result))
    assert (again.state, again.comparison) == (State.DONE, found.key)
    document = json.loads(export(result, house.artifacts, "json").data)
    assert document["tested"]["standing"] == "warned"
    plain = render_size(export(result, house.artifacts, "png").data)
    assert render_size(export(result, house.artifacts, "png", bar=True).data)[1] > plain[1]  # the warning stands below


def test_the_map_of_a_channel_is_measured_but_not_shuffled(house: Service) -> None:
    digest = house.pictures.adopt(DIGIT.read_bytes(), DIGIT.name).digest
    card = house.store.model("demo:digits").card
    assert card is not None
    layer = next(one["name"] for one in card["layers"] if one["spatial"])
    job = house.jobs.submit(JobRequest("demo:digits", "saliency-map", (digest,), {}, at=f"channel={layer}:1"))
    assert ended(house, job).state is State.DONE, house.records.job(job.id).error
    key = house.records.tasks([job.id])[job.id][0].result
    assert key is not None
    result = house.store.result(key)
    found = measured(house, result)
    (shown, *_) = found.document["cards"]
    assert "weights are shuffled for classes, not for a channel of a layer" in json.dumps(shown)
    assert found.document["pictures"][0]["target"] == f"{layer}:1"
    assert str(what_is_known(result.document)) == "untested"


def test_a_difference_of_numbered_classes_is_asked_again_by_its_labels(house: Service) -> None:
    digest = house.pictures.adopt(DIGIT.read_bytes(), DIGIT.name).digest
    job = house.jobs.submit(JobRequest("demo:digits", "saliency-map", (digest,), {}, target=("7 - 1",)))
    assert ended(house, job).state is State.DONE, house.records.job(job.id).error
    key = house.records.tasks([job.id])[job.id][0].result
    assert key is not None
    asked = request_of(house.store, house.catalog, house.store.result(key))
    assert asked.target == "7 - 1"


def test_grad_cam_is_not_warned_of(house: Service) -> None:
    result = explained(house, "grad-cam")
    measured(house, result)
    assert what_is_known(result.document).standing is Standing.PASSED
    assert what_is_known(explained(house, "grad-cam", layer="conv1").document).standing is Standing.UNTESTED


def test_it_is_what_python_measures(house: Service) -> None:
    result = explained(house, "saliency-map")
    found = measured(house, result)
    target = result.document["targets"][0]["index"]
    said = picasso.compare(picasso.load_model("demo:digits"), str(DIGIT), ["saliency-map"], target=target).document()
    kept = found.document["cards"][0]
    for name in ("gain", "over_sobel", "patches", "sensitivity"):
        assert kept[name]["mean"] == pytest.approx(said["cards"][0][name]["mean"], abs=1e-4), name
    assert found.document["verdict"] == said["verdict"]
    with np.load(io.BytesIO(house.artifacts.get(found.arrays))) as arrays:
        assert arrays["map_0_saliency_map"].shape == (32, 32)
    assert b"Which map to believe" in house.artifacts.get(found.page)


def test_what_is_shown_outlives_the_sweep(house: Service) -> None:
    found = measured(house, explained(house, "edges"))
    wanted = house.store.referred_artifacts()
    images = [found.shown[0]["view"]["artifact"], *(one["image"]["artifact"] for one in found.shown[0]["maps"])]
    assert {found.page, found.arrays, *images} <= wanted


def test_several_methods_and_pictures_without_a_framework(house: Service) -> None:
    digests = tuple(house.pictures.adopt(picture(shade), f"{shade}.png").digest for shade in (10, 20))
    asked = ComparisonRequest("Toy", (("partial-occlusion", {"window": "4px"}), ("edges", {})), digests)
    first = house.jobs.compare(asked)
    assert house.jobs.compare(asked).id == first.id or ended(house, first).state is State.DONE
    done = ended(house, first)
    assert done.state is State.DONE, done.error
    found = house.store.comparison(str(done.comparison))
    assert [one["name"] for one in found.shown] == ["10.png", "20.png"]
    assert found.document["cards"][0]["gain"]["pictures"] == 2
    assert found.document["cards"][0]["untested"] == "Not testable: function models do not show their parameters."
    assert found in house.store.comparisons(10)
    house.store.delete_comparison(found.key)
    with pytest.raises(errors.NotFoundError):
        house.store.comparison(found.key)


def test_a_canceled_comparison_leaves_nothing(house: Service) -> None:
    before = house.jobs.submit(request(house, 7, steps=20, pause=0.05))
    running(house, before)
    digest = house.pictures.adopt(picture(30), "30.png").digest
    job = house.jobs.compare(ComparisonRequest("Toy", (("partial-occlusion", {}),), (digest,)))
    assert house.jobs.cancel(job.id).state is State.CANCELED
    assert house.store.comparisons(50) == [one for one in house.store.comparisons(50) if one.job != job.id]
    ended(house, before)


def test_a_map_of_another_model_is_not_measured(house: Service) -> None:
    result = explained(house, "edges")
    changed = replace(result, document=result.document | {"model": result.document["model"] | {"digest": "0" * 64}})
    with pytest.raises(errors.NotSupportedError, match="model has changed"):
        request_of(house.store, house.catalog, changed)
    with pytest.raises(errors.NotSupportedError, match="no map"):
        request_of(house.store, house.catalog, explained(house, "class-probabilities"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nobody"}, errors.NotFoundError),
        ({"methods": ()}, errors.SettingsError),
        ({"methods": (("nothing", {}),)}, errors.NotFoundError),
        ({"methods": (("class-probabilities", {}),)}, errors.NotSupportedError),
        ({"methods": (("grad-cam", {}),)}, errors.NotSupportedError),
        ({"methods": (("edges", {"width": 3}),)}, errors.SettingsError),
        ({"pictures": ()}, errors.PictureError),
        ({"pictures": ("0" * 64,)}, errors.NotFoundError),
        ({"target": "aircraft"}, errors.TargetError),
        ({"at": "1,1"}, errors.TargetError),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    house: Service, changes: dict[str, Any], error: type[errors.PicassoError]
) -> None:
    house.jobs.open_model("Toy")
    wait_until(lambda: house.model("Toy").card is not None)
    digest = house.pictures.adopt(picture(40), "40.png").digest
    asked = {"model": "Toy", "methods": (("edges", {}),), "pictures": (digest,)}
    with pytest.raises(error):
        house.jobs.compare(ComparisonRequest(**asked | changes))
