"""An attribution method with its settings, ready to explain one picture after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.attribution import Attribution
from picasso.core.errors import NotSupportedError, OutOfMemoryError, PicassoError, PluginError
from picasso.core.facts import Sample
from picasso.core.first_pass import first_pass
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.registry import Entry
from picasso.core.settings import Settings
from picasso.core.targets import Target
from picasso.core.visualization import AttributionMethod, Context
from picasso.scorecard.stages import Stages


@dataclass(frozen=True)
class Method:
    """An attribution method with its settings.

    Args:
        entry: Where it comes from.
        settings: Validated.
    """

    entry: Entry
    settings: Settings

    @property
    def name(self) -> str:
        """Its registered name."""
        return self.entry.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.entry.load().title

    def explain(self, model: Model, sample: Sample, target: Target, seed: int, stages: Stages) -> Attribution:
        """Return its map of one picture for one target.

        Raises:
            NotSupportedError: The model lacks what it needs, or the map lies on another picture than the input.
            PluginError: It raised, or returned what is no map.
        """
        kind = self.entry.load()
        assert issubclass(kind, AttributionMethod), "chosen so"
        try:
            first = first_pass(model, sample.x, [target], 1, kind.begins_with(model, self.settings))
            ctx = Context(model, [target], first.scores, seed, stages.inner, lambda panel: None, pulled=first.pulled)
            found: list[Any] = list(kind().attribute(ctx, sample, [target], self.settings))
        except PicassoError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, Exception) and model.is_out_of_memory(error):
                raise OutOfMemoryError("The device's memory does not suffice.", "Use a smaller batch.") from error
            raise PluginError(f"{kind.title} raised {type(error).__name__}: {error}") from error
        if len(found) != 1 or not isinstance(found[0], Attribution):
            raise PluginError(f"{kind.title} must return one Attribution for each target. Got {found!r:.80}.")
        attribution = found[0]
        if attribution.picture is not None:
            raise NotSupportedError(
                f"With these settings the map of {kind.title} lies on another picture than the input."
            )
        if np.shape(attribution.flat()) != sample.x.shape[1:3]:
            raise PluginError(f"{kind.title} must give a map of {sample.x.shape[1:3]}. Got {attribution.values.shape}.")
        return attribution


def values_of(attribution: Attribution) -> Array:
    """Return one number for each pixel, (h, w); what is not known is 0."""
    return np.nan_to_num(attribution.flat(), posinf=0.0, neginf=0.0).astype(np.float32)


def strength(values: Array) -> NDArray[np.float64]:
    """Return how much each pixel counts, whatever its sign."""
    return np.abs(np.asarray(values, np.float64))
