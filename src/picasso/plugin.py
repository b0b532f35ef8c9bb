"""Everything that a plug-in author imports, and nothing else.

A visualization is one file with one class; a model file holds one class with `load()`.
"""

from picasso.core.attribution import Attribution, enlarge
from picasso.core.errors import NotSupportedError, PicassoError, SettingsError
from picasso.core.hooks import Head, ModelFile, Prediction, to_probabilities
from picasso.core.model import INPUT, Capability, Layer, Model, Pullback, ReluRule, Rules, Sample
from picasso.core.panels import Bars, Heatmap, Images, Panel, Template, Text
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.render import colorize, shared_limits
from picasso.core.settings import Extent, Settings
from picasso.core.targets import SCORES, Target
from picasso.core.visualization import AttributionMethod, Context, Visualization

__all__ = [
    "INPUT",
    "SCORES",
    "Array",
    "Attribution",
    "AttributionMethod",
    "Bars",
    "Capability",
    "Context",
    "Extent",
    "Head",
    "Heatmap",
    "Images",
    "Layer",
    "Model",
    "ModelFile",
    "NotSupportedError",
    "Panel",
    "PicassoError",
    "Prediction",
    "Preprocessing",
    "Pullback",
    "ReluRule",
    "Rules",
    "Sample",
    "Settings",
    "SettingsError",
    "Target",
    "Template",
    "Text",
    "Visualization",
    "colorize",
    "enlarge",
    "shared_limits",
    "to_probabilities",
]
