"""The benchmarks of occlusion maps and of attribution methods measure what they say, from the network to the page."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import attributing, attributions_page, bench_folders, bench_inside, kernel_floor, measuring
from benchmarks.attributing import METHODS, PICASSO, Cost
from benchmarks.attribution_rivals import FORWARD, FRAMEWORK, LOOP
from benchmarks.measuring import Effort, Grid, Measured, Row, Windows
from benchmarks.networks import NETWORKS, Goals
from benchmarks.occlusion_page import Report, page
from benchmarks.rivals import AS_MADE, CHANNELS_LAST, SIXTEEN
from picasso.engine.fusing import fuse
from picasso.engine.occlusion import Engine

ONE = Windows(32, 16)


def test_a_network_is_measured_against_its_rivals() -> None:
    row = measuring.measure(replace(NETWORKS["squeezenet"], side=96), Effort((ONE,), 1, two_threads=False), rate=1e11)
    (grid,) = row.grids
    assert grid.windows == 25
    assert grid.fast, grid.said
    assert 0 < grid.floor < grid.seconds < 60
    assert grid.kernels > 0
    assert set(row.rivals) == {SIXTEEN, AS_MADE, CHANNELS_LAST, "Captum", "ONNX Runtime"}
    assert all(rival.each > 0 for rival in row.rivals.values())
    assert row.change > 1e-4, "no window matters: agreement would mean nothing"
    assert grid.difference < 1e-5
    assert row.rounding is not None
    assert 0 < max(row.rounding) < 1e-5


def test_the_kernel_floor_calls_for_every_multiplication_of_the_plan() -> None:
    network = NETWORKS["resnet18"]
    graph = measuring.opened(network.make(96), replace(network, side=96)).graph()
    plan = Engine(graph).plan(ONE.scene(np.zeros((1, 96, 96, 3), np.float32)).boxes)
    found = 0
    for call, windows in kernel_floor.calls(fuse(graph), plan).items():
        sides = zip(call.maps[1:], call.weight[2:], call.stride, strict=False)
        places = math.prod((side - kernel) // stride + 1 for side, kernel, stride in sides)
        found += windows.in_all * math.prod(call.weight) * (places if len(call.maps) == 3 else call.maps[0])
        assert windows.at_once <= windows.in_all
    assert len(plan.chunks) > 1
    assert found == pytest.approx(plan.multiply_adds, rel=1e-3)


def test_the_page_names_losses() -> None:
    grid = Grid(100, 2.0, 3.0, "followed", True, 4.0, 1.0, 1.5, 3e-5)
    row = Row(replace(NETWORKS["resnet18"], goals=Goals(5, 5, 5)), [grid])
    row.rivals = {
        SIXTEEN: Measured(0.2, 16),
        AS_MADE: Measured(0.1, 8),
        CHANNELS_LAST: Measured(0.08, 16),
        "ONNX Runtime": Measured(0.01, 1),
    }
    text = page(
        Report((ONE,), [row], 1e11, {"ResNet-18": {"32": 1200.0}}, {"ResNet-18": [3.0, 2.0]}, ["Captum: absent."])
    )
    assert "| ResNet-18 | 100 | 2.00 | – | 10.0× (goal 5×) | 5.0× | 4.0× | **0.50×** (goal 5×, missed) |" in text
    assert (
        "against ONNX Runtime: 0.50×; the goal is 5×, out of reach: the kernels and the comparison alone would give "
        "0.67×. **Picasso is slower.**"
    ) in text
    assert "a probability differs by 3.0e-05; the goal is 1e-05." in text
    row.network = replace(row.network, goals=Goals(loop=12))
    reach = "10.00×; the goal is 12×, within reach: the kernels and the comparison alone would give 13.33×."
    assert reach in page(Report((ONE,), [row]))
    row.rounding = (2e-5, 1e-5)
    assert "From double precision the network itself is 2.0e-05 off, Picasso 1.0e-05." in page(Report((ONE,), [row]))
    assert "1200 MB; the goal is 1000 MB" in text
    assert "Captum: absent." in text


def test_a_goal_that_is_reached_is_no_loss() -> None:
    row = Row(
        replace(NETWORKS["resnet18"], goals=Goals(None, 5)),
        [Grid(100, 2.0, 3.0, "followed", True, 4.0, 1.0, 1.5, 1e-7)],
    )
    row.rivals = {SIXTEEN: Measured(0.2, 16)}
    assert "- Nowhere in this run." in page(Report((ONE,), [row]))


def test_methods_are_measured_against_their_rivals() -> None:
    methods = {method.name: method for method in METHODS}
    rise = replace(methods["rise"], settings={"masks": 32}, passes=32)
    row = attributing.measure(replace(NETWORKS["squeezenet"], side=64), (methods["saliency-map"], rise))
    saliency, masked = row.costs
    assert set(saliency.seconds) >= {PICASSO, FORWARD, FRAMEWORK, "Captum", "explain"}
    assert min(saliency.agreement.values()) > 0.9999
    assert set(masked.seconds) == {PICASSO, FORWARD, LOOP}
    assert all(seconds > 0 for cost in row.costs for seconds in cost.seconds.values())
    assert masked.forwards() == masked.seconds[PICASSO] / masked.seconds[FORWARD] / 32


def test_the_section_names_what_is_missed_and_keeps_the_page_before_it() -> None:
    grad_cam, saliency = METHODS[:2]
    row = attributing.Row(NETWORKS["resnet18"], notes=["Grad-CAM: Other is not compared: ImportError: absent"])
    row.costs = [
        Cost(grad_cam, {PICASSO: 0.2, FORWARD: 0.1, "explain": 0.4, "pytorch-grad-cam": 0.1}, {}, {"Other": 0.5}),
        Cost(saliency, {PICASSO: 0.21, FORWARD: 0.1, "explain": 0.4, FRAMEWORK: 0.2}),
    ]
    text = attributions_page.section([row])
    assert "| ResNet-18 | 100.0 | 200.0 | **2.00** (goal 1.1, missed) | 4.00 | **0.50×** (goal 2.5×, missed) |" in text
    assert "against pytorch-grad-cam: 0.50×; the goal is 2.5×. **Picasso is slower.**" in text
    assert "the map of Other correlates with 0.5000 only" in text
    assert "2.10 (goal 2.2)" in text
    assert "Other is not compared: ImportError: absent" in text
    once = attributions_page.with_section("# Page\n\nBefore.\n", text)
    assert once.startswith("# Page\n\nBefore.\n\n<!--")
    assert attributions_page.with_section(once, text) == once
    assert attributions_page.section_of(once) == text


def test_looking_inside_is_measured_against_a_plain_loop_and_captum() -> None:
    network = replace(NETWORKS["squeezenet"], side=64)
    found = bench_inside.climbs(network, "features.7", 8)
    ours, theirs = found[bench_inside.PICASSO], found[bench_inside.PYTORCH]
    assert 0 < ours.network < ours.seconds
    assert theirs.seconds > 0
    assert ours.course[-1][1] > 0
    assert theirs.until(-1.0) <= theirs.seconds
    assert theirs.until(1e9) == float("inf")
    costs = bench_inside.layers(network, "features.7", 1)
    assert set(costs) == {bench_inside.PICASSO, "Captum"}
    text = "\n".join(bench_inside.report(network, "features.7", found, 8))
    for words in ("of it not the network's", "times as fast as the plain loop's", "the same activation is there"):
        assert words in text


def test_an_index_is_measured_against_a_plain_loop() -> None:
    network = replace(NETWORKS["squeezenet"], side=64)
    report = bench_folders.measure(network, 12, threads=(1,))
    count, ours, theirs = report.seconds[1]
    assert count == 12
    assert ours > 0
    assert report.rate(1) == theirs / ours
    assert all(index < loop for index, loop in report.again.values())
    section = bench_folders.section(network, report)
    assert f"the channels of `{report.layer}`, 12 pictures." in section
    page = bench_folders.with_section(f"# Page\n\nBefore.\n\n{attributions_page.MARK}\n\nAfter.\n", section)
    assert page.index("Before.") < page.index(bench_folders.MARK) < page.index("After.")
    assert bench_folders.with_section(page, section) == page
    assert attributions_page.section_of(page).endswith("After.\n")
