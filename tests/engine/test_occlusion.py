"""The engine against the reference: random networks, and small ones that once came out wrong."""

import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from picasso.core import graph as g
from picasso.core.facts import Progress
from picasso.core.model import ignore
from picasso.engine import kernels, occlusion, plans
from picasso.engine.occlusion import Engine
from tests.engine import reference
from tests.engine.random_graphs import Case, random_case

TOLERANCE = 1e-4
RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def occluded(case: Case, progress: Progress = ignore) -> dict[str, np.ndarray]:
    """Return every output of the engine for all boxes; all are read at once, joined in one array."""
    engine = Engine(case.graph)
    base = engine.base(case.x)
    sizes = {name: case.graph.by_name[value].shape for name, value in case.graph.outputs.items()}

    def read(raw: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([raw[name].reshape(len(raw[name]), -1) for name in sizes], axis=1)

    joined = engine.occluded(base, engine.plan(case.boxes), case.boxes, case.contents, read, progress)
    ends = np.cumsum([int(np.prod(shape)) for shape in sizes.values()])
    parts = np.split(joined, ends[:-1], axis=1)
    return {name: part.reshape(-1, *sizes[name]) for name, part in zip(sizes, parts, strict=True)}


def check(case: Case) -> None:
    """Compare whole pictures and windows with the reference."""
    pictures = np.concatenate([case.x, case.patched()])
    own = reference.outputs(case.graph, pictures)
    run, found = Engine(case.graph).run(pictures), occluded(case)
    for name, wanted in own.items():
        within = TOLERANCE * max(float(np.abs(wanted).max()), 1e-2)
        np.testing.assert_allclose(run[name], wanted, rtol=0, atol=within, err_msg=f"whole pictures: {name}")
        np.testing.assert_allclose(found[name], wanted[1:], rtol=0, atol=within, err_msg=f"windows: {name}")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
@given(choose=st.integers(0, 2**32))
def test_random_networks_are_followed_exactly(choose: int) -> None:
    check(random_case(random.Random(choose), 8))


@settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    choose=st.integers(0, 2**32),
    mostly=st.sampled_from([0.4, 2.0]),
    at_once=st.sampled_from([1, 5, 1000]),
    handed=st.sampled_from([0, 2**25]),
    tiled_from=st.sampled_from([1, 128]),
    fused=st.booleans(),
)
def test_random_networks_are_followed_exactly_whatever_the_engine_s_own_choices(
    choose: int, mostly: float, at_once: int, handed: int, tiled_from: int, fused: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "MOSTLY", mostly)
        patch.setattr(occlusion, "AT_ONCE", at_once)
        patch.setattr(occlusion, "_HANDED_AT_MOST", handed)
        patch.setattr(kernels, "_WINOGRAD_FROM", tiled_from)
        patch.setattr(kernels, "_FUSED", fused and kernels._FUSED)
        check(random_case(random.Random(choose), 8))


# --- networks that once came out wrong ---------------------------------------------------------------------------


def a_case(graph: g.Graph, boxes: list[tuple[int, int, int, int]]) -> Case:
    shape = graph.ops[0].shape
    return Case(graph, normal(1, *shape), np.array(boxes, np.int64), normal(*shape))


@pytest.fixture
def patches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small maps are followed in patches, too."""
    monkeypatch.setattr(plans, "MOSTLY", 2.0)


@pytest.mark.usefixtures("patches_only")
def test_a_map_may_be_read_as_a_whole_and_in_patches() -> None:
    build = g.Builder()
    x = build.add(g.Conv, [build.input((3, 20, 24))], weight=normal(4, 3, 3, 3))
    mean = build.add(g.GlobalPool, [x], function="mean")
    local = build.add(g.Conv, [x], weight=normal(2, 4, 3, 3), padding=(1, 1, 1, 1))
    check(a_case(build.graph({"scores": mean, "masks": local}), [(3, 4, 2, 2), (0, 20, 5, 4)]))


@pytest.mark.usefixtures("patches_only")
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, -1, 2), (-1, -1, 1, 0)])
def test_a_transposed_convolution_may_leave_gaps(padding: g.Padding) -> None:
    build = g.Builder()
    x = build.add(
        g.ConvTranspose, [build.input((2, 15, 13))], weight=normal(2, 3, 1, 2), stride=(3, 4), padding=padding,
        bias=normal(3),
    )  # fmt: skip
    pooled = build.add(g.Pool, [x], function="max", kernel=(2, 3), stride=(2, 2))
    boxes = [(top, left, 2, 2) for top in range(0, 14, 3) for left in range(12)]
    check(a_case(build.graph({"masks": pooled}), boxes))


@pytest.mark.usefixtures("patches_only")
@pytest.mark.parametrize("box", [(0, 0, 1, 1), (18, 0, 1, 1), (0, 22, 1, 1), (18, 22, 1, 1), (10, 3, 1, 1)])
def test_a_window_may_lie_where_nothing_reads(box: tuple[int, int, int, int]) -> None:
    build = g.Builder()
    x = build.add(g.Conv, [build.input((2, 19, 23))], weight=normal(3, 2, 2, 2), stride=(4, 4))
    x = build.add(g.Pad, [x], padding=(-1, -1, -1, -1))
    x = build.add(g.Conv, [x], weight=normal(3, 3, 2, 2))
    check(a_case(build.graph({"scores": build.add(g.Reshape, [x], target=(-1,))}), [box]))


def test_a_dilated_mean_is_taken_of_the_places_apart() -> None:
    build = g.Builder()
    x = build.add(
        g.Pool, [build.input((2, 14, 17))], function="mean", kernel=(3, 2), stride=(1, 2), dilation=(2, 3),
        padding=(1, 2, 1, 0), counted=(1, 0, 0, 0),
    )  # fmt: skip
    check(a_case(build.graph({"masks": x}), [(top, 5, 2, 3) for top in range(13)]))


@pytest.mark.usefixtures("patches_only")
def test_one_channel_may_be_read_with_a_stride_across_alone() -> None:
    build = g.Builder()
    x = build.add(g.Conv, [build.input((1, 30, 40))], weight=normal(4, 1, 7, 7), stride=(1, 2), bias=normal(4))
    x = build.add(g.Activation, [x], function="relu")
    check(a_case(build.graph({"masks": x}), [(top, 0, 3, 1) for top in range(28)]))


def test_one_channel_of_each_group_may_be_read_so_in_half_precision() -> None:
    build = g.Builder()
    x = build.add(g.Conv, [build.input((2, 29, 7))], weight=normal(4, 1, 7, 7), stride=(1, 3), groups=2)
    graph, pictures = build.graph({"masks": x}), normal(3, 2, 29, 7)
    wanted = reference.outputs(graph, pictures)["masks"]
    found = Engine(graph, half=True).run(pictures)["masks"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.03 * np.abs(wanted).max())


# --- the calls themselves ----------------------------------------------------------------------------------------


def small_case() -> Case:
    build = g.Builder()
    x = build.add(g.Conv, [build.input((3, 24, 31))], weight=normal(4, 3, 3, 3))
    x = build.add(g.Activation, [x], function="relu")
    scores = build.add(g.Linear, [build.add(g.GlobalPool, [x], function="mean")], weight=normal(5, 4))
    boxes = [(top, left, 5, 6) for top in range(0, 20, 3) for left in range(0, 26, 2)]
    return a_case(build.graph({"scores": scores}), boxes)


def test_progress_only_grows_and_ends_with_all() -> None:
    seen: list[tuple[int, int]] = []
    case = small_case()
    occluded(case, lambda done, total: seen.append((done, total)))
    assert seen == sorted(set(seen))
    assert len(seen) > 1
    assert seen[-1] == (len(case.boxes), len(case.boxes))


def test_what_is_kept_of_a_picture_stays_as_it_is() -> None:
    case = small_case()
    engine = Engine(case.graph)
    base = engine.base(case.x)
    before = {name: value.clone() for name, value in base.values.items()}
    plan = engine.plan(case.boxes)
    first, second = (
        engine.occluded(base, plan, case.boxes, case.contents, lambda raw: raw["scores"], ignore) for _ in range(2)
    )
    assert (first == second).all()
    assert all(torch.equal(value, base.values[name]) for name, value in before.items())


def test_weights_that_do_not_fit_together_are_no_graph() -> None:
    build = g.Builder()
    with pytest.raises(g.GraphError, match="larger than a map"):
        build.add(g.Conv, [build.input((3, 2, 2))], weight=normal(1, 3, 5, 5))
