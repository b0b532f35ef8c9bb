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
from picasso.core.masking import MASKS_AT_ONCE, score_masked
from picasso.core.model import Model
from picasso.core.panels import Bars, Heatmap, Images, Panel, Template, Text
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.relevance import LayerwiseRules, LrpRule, Relevance, RelevanceRules, RescaleRule
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
    "Found",
    "Head",
    "Heatmap",
    "Images",
    "Layer",
    "LayerwiseRules",
    "LrpRule",
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
    "Relevance",
    "RelevanceRules",
    "ReluRule",
    "RescaleRule",
    "Rules",
    "Sample",
    "Settings",
    "SettingsError",
    "Target",
    "Template",
    "Text",
    "Visualization",
    "Windows",
    "baseline",
    "blurred",
    "class_colors",
    "coarse_to_fine",
    "colorize",
    "enlarge",
    "nearest",
    "score_masked",
    "shared_limits",
    "suppress",
    "to_probabilities",
]
