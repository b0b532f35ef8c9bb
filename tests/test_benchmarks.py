"""The benchmark of occlusion maps measures what it says, from the network to the page."""

from dataclasses import replace

from benchmarks import measuring
from benchmarks.measuring import Effort, Grid, Measured, Row, Windows
from benchmarks.networks import NETWORKS, Goals
from benchmarks.occlusion_page import Report, page
from benchmarks.rivals import AS_MADE, CHANNELS_LAST

ONE = Windows(32, 16)


def test_a_network_is_measured_against_its_rivals() -> None:
    row = measuring.measure(replace(NETWORKS["squeezenet"], side=96), Effort((ONE,), 1, two_threads=False), rate=1e11)
    (grid,) = row.grids
    assert grid.windows == 25
    assert grid.fast, grid.said
    assert 0 < grid.floor < grid.seconds < 60
    assert set(row.rivals) == {AS_MADE, CHANNELS_LAST, "Captum", "ONNX Runtime"}
    assert all(rival.each > 0 for rival in row.rivals.values())
    assert row.change > 1e-4, "no window matters: agreement would mean nothing"
    assert grid.difference < 1e-5
    assert row.rounding is not None
    assert 0 < max(row.rounding) < 1e-5


def test_the_page_names_losses() -> None:
    grid = Grid(100, 2.0, 3.0, "followed", True, 4.0, 1.0, 3e-5)
    row = Row(replace(NETWORKS["resnet18"], goals=Goals(5, 5, 5)), [grid])
    row.rivals = {AS_MADE: Measured(0.2, 8), CHANNELS_LAST: Measured(0.08, 16), "ONNX Runtime": Measured(0.01, 1)}
    text = page(
        Report((ONE,), [row], 1e11, {"ResNet-18": {"32": 1200.0}}, {"ResNet-18": [3.0, 2.0]}, ["Captum: absent."])
    )
    assert "| ResNet-18 | 100 | 2.00 | – | 10.0× (goal 5×) | 4.0× | **0.50×** (goal 5×, missed) |" in text
    assert "against ONNX Runtime: 0.50×; the goal is 5×; at the floor it would be 1.00×. **Picasso is slower.**" in text
    assert "a probability differs by 3.0e-05; the goal is 1e-05." in text
    row.rounding = (2e-5, 1e-5)
    assert "From double precision the network itself is 2.0e-05 off, Picasso 1.0e-05." in page(Report((ONE,), [row]))
    assert "1200 MB; the goal is 1000 MB" in text
    assert "Captum: absent." in text


def test_a_goal_that_is_reached_is_no_loss() -> None:
    row = Row(
        replace(NETWORKS["resnet18"], goals=Goals(None, 5)), [Grid(100, 2.0, 3.0, "followed", True, 4.0, 1.0, 1e-7)]
    )
    row.rivals = {AS_MADE: Measured(0.2, 8)}
    assert "- Nowhere in this run." in page(Report((ONE,), [row]))
