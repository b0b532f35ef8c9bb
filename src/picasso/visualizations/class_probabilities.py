"""Class probabilities."""

from collections.abc import Iterator

from pydantic import Field

from picasso.plugin import Bars, Context, Family, Panel, Sample, Settings, Visualization


class ClassProbabilitiesSettings(Settings):
    classes: int = Field(5, ge=1, le=1000, title="Classes", description="How many of the best classes are shown.")


class ClassProbabilities(Visualization[ClassProbabilitiesSettings]):
    """What the model takes the picture for, and how sure it is."""

    name = "class-probabilities"
    title = "Class probabilities"
    family = Family.ANSWERS
    takes_clips = True

    def run(self, ctx: Context, sample: Sample, settings: ClassProbabilitiesSettings) -> Iterator[Panel]:
        ctx.progress(0, 1)
        best = ctx.model.decode_prob(ctx.scores[None])[0][: settings.classes]
        ctx.keep("scores", ctx.scores)
        ctx.keep("probabilities", ctx.model.probabilities(ctx.scores))
        focus = ctx.model.focus
        share = focus.share if focus else "score" if ctx.model.head == "none" else "probability"
        said = f"Of {focus.about}. " if focus else ""
        # Where each class of a segmenter is asked about over its own mask, what is known of it is the mask's size.
        title = share.capitalize() if share.startswith("share") else "Class probabilities"
        yield Bars(
            id="probabilities",
            title=title,
            caption=f"{said}The head is {ctx.model.head}; scores are {ctx.model.facts.units}s.",
            labels=tuple(prediction.label for prediction in best),
            values=tuple(prediction.probability for prediction in best),
            units=share,
            maximum=None if share == "score" else 1.0,
        )
        ctx.progress(1, 1)
