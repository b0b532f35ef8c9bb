"""Everything that a plug-in author imports, and nothing else.

A visualization is one file with one class; a model file holds one class with `load()`.
"""

from picasso.core.attribution import Attribution, enlarge, nearest
from picasso.core.baselines import BASELINES, SHADES, Baseline, baseline, blurred
from picasso.core.colors import class_colors
from picasso.core.errors import NotSupportedError, PicassoError, SettingsError
from picasso.core.facts import INPUT, Capability, Layer, Patching, Pullback, Quality, ReluRule, Rules, Sample
from picasso.core.focus import suppress
from picasso.core.hooks import Head, ModelFile, Prediction, to_probabilities
from picasso.core.masking import (
    MASKS_AT_ONCE,
    MaskedSettings,
    ScoreSettings,
    Watched,
    sampling_note,
    score_masked,
    sketch_due,
)
from picasso.core.model import Model
from picasso.core.panels import Bars, Heatmap, Images, Panel, Template, Text
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.regions import (
    Fill,
    Regions,
    RegionSettings,
    divide,
    lay_grid,
    lay_values,
    read_regions,
    score_coalitions,
)
from picasso.core.render import colorize, shared_limits
from picasso.core.settings import Extent, Settings
from picasso.core.targets import BOX_SCORES, BOXES, MASKS, SCORES, Target
from picasso.core.visualization import AttributionMethod, Context, Visualization
from picasso.core.windows import Found, Windows, coarse_to_fine

__all__ = [
    "BASELINES",
    "BOXES",
    "BOX_SCORES",
    "INPUT",
    "MASKS",
    "MASKS_AT_ONCE",
    "SCORES",
    "SHADES",
    "Array",
    "Attribution",
    "AttributionMethod",
    "Bars",
    "Baseline",
    "Capability",
    "Context",
    "Extent",
    "Fill",
    "Found",
    "Head",
    "Heatmap",
    "Images",
    "Layer",
    "MaskedSettings",
    "Model",
    "ModelFile",
    "NotSupportedError",
    "Panel",
    "Patching",
    "PicassoError",
    "Prediction",
    "Preprocessing",
    "Pullback",
    "Quality",
    "RegionSettings",
    "Regions",
    "ReluRule",
    "Rules",
    "Sample",
    "ScoreSettings",
    "Settings",
    "SettingsError",
    "Target",
    "Template",
    "Text",
    "Visualization",
    "Watched",
    "Windows",
    "baseline",
    "blurred",
    "class_colors",
    "coarse_to_fine",
    "colorize",
    "divide",
    "enlarge",
    "lay_grid",
    "lay_values",
    "nearest",
    "read_regions",
    "sampling_note",
    "score_coalitions",
    "score_masked",
    "shared_limits",
    "sketch_due",
    "suppress",
    "to_probabilities",
]
