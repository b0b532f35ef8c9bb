"""My visualization: what a blurred picture does to the classes, on a page of its own."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from picasso.plugin import Context, Panel, Sample, Settings, Template, Visualization


class MyVisualizationSettings(Settings):
    """Each field is a field of the page's form, a flag of the command line, and an argument in Python."""

    radius: float = Field(
        4.0, gt=0, le=100, title="Radius", description="Radius of the blur, in pixels of the picture."
    )


class MyVisualization(Visualization[MyVisualizationSettings]):
    """Blur the picture, and see what the model makes of it."""

    name = "my-visualization"
    title = "My visualization"

    def run(self, ctx: Context, sample: Sample, settings: MyVisualizationSettings) -> Iterator[Panel]:
        ctx.progress(0, 1, "Blur and predict")
        blurred = np.asarray(Image.fromarray(sample.picture.pixels).filter(ImageFilter.GaussianBlur(settings.radius)))
        scores = ctx.model.predict(ctx.model.preprocess([blurred]))
        ctx.progress(1, 1)
        ctx.keep("blurred_scores", scores[0])
        sharp = {p.label: p.probability for p in ctx.model.decode_prob(ctx.scores[None])[0]}
        # The values go to the Jinja template beside this file, my_visualization.html.
        yield Template(
            id="blur",
            title="Blurred",
            values={
                "radius": settings.radius,
                "classes": [
                    {"label": p.label, "sharp": sharp[p.label], "blurred": p.probability}
                    for p in ctx.model.decode_prob(scores)[0][:5]
                ],
            },
        )
