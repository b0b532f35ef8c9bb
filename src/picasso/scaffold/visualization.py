"""My visualization: which cells of the picture the class needs."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import Attribution, AttributionMethod, Context, Sample, Settings, Target, enlarge


class MyVisualizationSettings(Settings):
    """Each field is a field of the page's form, a flag of the command line, and an argument in Python."""

    cells: int = Field(6, ge=1, le=64, title="Cells", description="Number of cells along each side of the picture.")


class MyVisualization(AttributionMethod[MyVisualizationSettings]):
    """Replace one cell of the picture after another by its own mean color, and watch the class score."""

    name = "my-visualization"
    title = "My visualization"
    references = ()  # Papers: ("Zeiler and Fergus 2014, arXiv:1311.2901",)
    # `needs` says what a model must be able to do. Predicting is enough here, so every model fits.

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: MyVisualizationSettings
    ) -> list[Attribution]:
        # sample.x is what the network reads: float32 (1, height, width, channels).
        height, width = sample.x.shape[1:3]
        cells = min(settings.cells, height, width)
        rows = [round(edge) for edge in np.linspace(0, height, cells + 1)]
        columns = [round(edge) for edge in np.linspace(0, width, cells + 1)]
        boxes = np.array(
            [
                (top, left, rows[i + 1] - top, columns[j + 1] - left)
                for i, top in enumerate(rows[:-1])
                for j, left in enumerate(columns[:-1])
            ]
        )
        content = sample.x[0].copy()
        for top, left, tall, wide in boxes:
            cell = content[top : top + tall, left : left + wide]
            cell[:] = cell.mean(axis=(0, 1))
        # One class score for each box and class, (boxes, classes). Progress is also where a cancel takes effect.
        scores = ctx.model.predict_patched(sample.x, boxes, content, ctx.progress)
        maps = []
        for target in targets:
            score = float(target.of_classes(ctx.scores))
            # One sign everywhere: positive means that the target needs what was there.
            drop = (score - target.of_classes(scores)).reshape(cells, cells).astype(np.float32)
            maps.append(
                Attribution(
                    values=enlarge(drop, height, width),
                    target=target,
                    units=f"change in {ctx.model.facts.units}",
                    sign="signed",
                    score=score,
                    baseline="the mean color of each cell",
                    native=drop,
                    laid="bilinear between the centers of the cells",
                )
            )
        return maps
