"""Everything that a plug-in author imports, and nothing else.

A visualization is one file with one class; a model file holds one class with `load()`.
"""

from picasso.core.activation_maps import (
    ActivationMap,
    ActivationMapSettings,
    ChannelMap,
    ChannelMapSettings,
    Channels,
    GradientMap,
    LayerMap,
    Wide,
    feature_maps,
    unmoved,
)
from picasso.core.attention import Attention, AttentionLayer
from picasso.core.attention_maps import AttentionMethod, QuerySettings, among_tokens, of_query, on_patches
from picasso.core.attribution import Attribution, enlarge, nearest
from picasso.core.baselines import BASELINES, SHADES, Baseline, baseline, blurred
from picasso.core.colors import class_colors
from picasso.core.errors import NotFoundError, NotSupportedError, PicassoError, SettingsError
from picasso.core.facts import INPUT, Capability, Layer, Patching, Pullback, Quality, ReluRule, Rules, Sample
from picasso.core.focus import suppress
from picasso.core.gradient_maps import SATURATED, ChannelSettings, Reduction, gradient_map, over_channels
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
from picasso.core.paths import (
    BaselineSettings,
    PathSettings,
    from_baselines,
    pulled_back,
    target_scores,
)
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
from picasso.core.relevance import LayerwiseRules, LrpRule, Relevance, RelevanceRules, RescaleRule
from picasso.core.relu_rules import ruled_gradients, switches
from picasso.core.render import colorize, shared_limits
from picasso.core.settings import Extent, Settings
from picasso.core.targets import BOX_SCORES, BOXES, MASKS, SCORES, Target
from picasso.core.visualization import AttributionMethod, Context, Family, Visualization
from picasso.core.windows import Found, Windows, coarse_to_fine

__all__ = [
    "BASELINES",
    "BOXES",
    "BOX_SCORES",
    "INPUT",
    "MASKS",
    "MASKS_AT_ONCE",
    "SATURATED",
    "SCORES",
    "SHADES",
    "ActivationMap",
    "ActivationMapSettings",
    "Array",
    "Attention",
    "AttentionLayer",
    "AttentionMethod",
    "Attribution",
    "AttributionMethod",
    "Bars",
    "Baseline",
    "BaselineSettings",
    "Capability",
    "ChannelMap",
    "ChannelMapSettings",
    "ChannelSettings",
    "Channels",
    "Context",
    "Extent",
    "Family",
    "Fill",
    "Found",
    "GradientMap",
    "Head",
    "Heatmap",
    "Images",
    "Layer",
    "LayerMap",
    "LayerwiseRules",
    "LrpRule",
    "MaskedSettings",
    "Model",
    "ModelFile",
    "NotFoundError",
    "NotSupportedError",
    "Panel",
    "Patching",
    "PathSettings",
    "PicassoError",
    "Prediction",
    "Preprocessing",
    "Pullback",
    "Quality",
    "QuerySettings",
    "Reduction",
    "RegionSettings",
    "Regions",
    "Relevance",
    "RelevanceRules",
    "ReluRule",
    "RescaleRule",
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
    "Wide",
    "Windows",
    "among_tokens",
    "baseline",
    "blurred",
    "class_colors",
    "coarse_to_fine",
    "colorize",
    "divide",
    "enlarge",
    "feature_maps",
    "from_baselines",
    "gradient_map",
    "lay_grid",
    "lay_values",
    "nearest",
    "of_query",
    "on_patches",
    "over_channels",
    "pulled_back",
    "read_regions",
    "ruled_gradients",
    "sampling_note",
    "score_coalitions",
    "score_masked",
    "shared_limits",
    "sketch_due",
    "suppress",
    "switches",
    "target_scores",
    "to_probabilities",
    "unmoved",
]
