"""Everything that a plug-in author imports, and nothing else.

A visualization is one file with one class, and so is an intervention of the audit; a model file holds one class with
`load()`.
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
from picasso.core.aiming import Part
from picasso.core.album import album
from picasso.core.annotations import other_labels
from picasso.core.attention import Attention, AttentionLayer
from picasso.core.attention_maps import AttentionMethod, QuerySettings, among_tokens, of_query, on_patches
from picasso.core.attribution import Attribution, enlarge, nearest
from picasso.core.baselines import BASELINES, SHADES, Baseline, baseline, blurred
from picasso.core.channel_statistics import channel_maps, dead_channels, shrunk, sparsity
from picasso.core.checkpoints import Checkpoint, Reached, Trajectory
from picasso.core.class_pictures import class_pictures
from picasso.core.clips import stretches
from picasso.core.colors import class_colors
from picasso.core.compression import deblocked, jpeg_quality, recompressed
from picasso.core.concept_vectors import ConceptSpace, Finding, chance
from picasso.core.dataset import match_classes
from picasso.core.decoder import Decoder, Grid
from picasso.core.descent import Adam
from picasso.core.detail import noise_level, smoothed, spectrum
from picasso.core.diagram import maps_to_scale, network_graph, read_network, share_line
from picasso.core.dreaming import GreyCanvas, MadePicture, PictureSearch, SearchPlan
from picasso.core.eight_bit import EightBit, eight_bit
from picasso.core.embedding import nearest_neighbors, principal_axes, tsne, umap
from picasso.core.errors import (
    DatasetError,
    ModelFailedError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
    PicassoError,
    SettingsError,
)
from picasso.core.even_choice import evenly_chosen
from picasso.core.factorization import factorize, shares_of
from picasso.core.facts import INPUT, Capability, Layer, Patching, Pullback, Quality, ReluRule, Rules, Sample, Task
from picasso.core.filling import fill
from picasso.core.focus import suppress
from picasso.core.gradient_maps import SATURATED, ChannelSettings, Reduction, gradient_map, over_channels
from picasso.core.head_codes import HeadCodes, read_head_codes
from picasso.core.hooks import Head, ModelFile, Prediction, to_probabilities
from picasso.core.index import (
    MOST_PICTURES,
    PROPERTIES,
    Crops,
    FolderSettings,
    PictureIndex,
    Reading,
    cut,
    index_pictures,
)
from picasso.core.intervention import Intervention, Mask, Need, Pixels, Property, Role, Seen
from picasso.core.kernels import Kernels, find_kernels, kernel_chroma, kernel_likenesses, kernel_strengths
from picasso.core.kinds import Kinds, region_of
from picasso.core.labelled import Labelled, LabelledPictures, labelled, labelled_by_itself
from picasso.core.landscape import LossKind, Measured, ParameterSlice, measure, spread_around, usual_loss
from picasso.core.light import lit
from picasso.core.likeness import Likeness
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
from picasso.core.moving import Move, Moved, map_strides, moved
from picasso.core.multiple_tests import holm
from picasso.core.objective import Objective, read_objectives
from picasso.core.panels import (
    Bars,
    Curve,
    Drawing,
    FeatureMaps,
    Gallery,
    Heatmap,
    Images,
    Matrix,
    NetworkGraph,
    Panel,
    Scatter,
    Series,
    Template,
    Text,
)
from picasso.core.panels.atlas import Atlas, make_atlas
from picasso.core.panels.curve import Line
from picasso.core.panels.feature_maps import ChannelMeasure
from picasso.core.panels.gallery import Group, Tile
from picasso.core.panels.scatter import Coloring
from picasso.core.panels.series import Step, on_one_scale
from picasso.core.panels.surface import Stop, Surface, contours_of, levels_of
from picasso.core.parameter_space import filter_normalized, layer_distances, principal_plane
from picasso.core.parametrization import COLORS, FourierParameters, Parametrization, PixelParameters
from picasso.core.pasting import (
    blend,
    cut_out,
    grown,
    matte,
    outside,
    scaled,
    seam,
    softened,
    stand,
    surface,
    transplant,
)
from picasso.core.paths import (
    BaselineSettings,
    PathSettings,
    from_baselines,
    pulled_back,
    target_scores,
)
from picasso.core.phases import PhaseParameters, falling_magnitudes, measured_magnitudes
from picasso.core.planting import Planted, plant_objects, read_drawn
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.principal import PrincipalParameters
from picasso.core.priors import alpha_norm, total_variation
from picasso.core.probing import cell_means, explained_variance
from picasso.core.proportions import share_interval
from picasso.core.receptive_field import ReceptiveFields
from picasso.core.rectangles import Rectangles, rectangle
from picasso.core.regions import (
    Fill,
    Regions,
    RegionSettings,
    divide,
    divide_sample,
    lay_grid,
    lay_values,
    read_regions,
    score_coalitions,
)
from picasso.core.relevance import LayerwiseRules, LrpRule, Relevance, RelevanceRules, RescaleRule
from picasso.core.relu_rules import ruled_gradients, switches
from picasso.core.render import colorize, overlay, shared_limits
from picasso.core.resizing import resized
from picasso.core.settings import Extent, Settings
from picasso.core.shaking import Shaking
from picasso.core.smallest_change import Attack, Change, Goal, SmallestChange
from picasso.core.sobol_indices import DesignCount, SobolShares, draw_designs, jansen
from picasso.core.targets import BOX_SCORES, BOXES, LAYER, MASKS, SCORES, Target, one_class
from picasso.core.tones import (
    OFFSET,
    WEIGHTS,
    Plane,
    bounded,
    log_chroma,
    luminance,
    moments,
    relit,
    to_pixels,
    with_luminance,
)
from picasso.core.trunk import read_layer, read_layers, trunk_layers
from picasso.core.visualization import AttributionMethod, Context, Family, ModelVisualization, Visualization
from picasso.core.windows import Found, Windows, coarse_to_fine

__all__ = [
    "BASELINES",
    "BOXES",
    "BOX_SCORES",
    "COLORS",
    "INPUT",
    "LAYER",
    "MASKS",
    "MASKS_AT_ONCE",
    "MOST_PICTURES",
    "OFFSET",
    "PROPERTIES",
    "SATURATED",
    "SCORES",
    "SHADES",
    "WEIGHTS",
    "ActivationMap",
    "ActivationMapSettings",
    "Adam",
    "Array",
    "Atlas",
    "Attack",
    "Attention",
    "AttentionLayer",
    "AttentionMethod",
    "Attribution",
    "AttributionMethod",
    "Bars",
    "Baseline",
    "BaselineSettings",
    "Capability",
    "Change",
    "ChannelMap",
    "ChannelMapSettings",
    "ChannelMeasure",
    "ChannelSettings",
    "Channels",
    "Checkpoint",
    "Coloring",
    "ConceptSpace",
    "Context",
    "Crops",
    "Curve",
    "DatasetError",
    "Decoder",
    "DesignCount",
    "Drawing",
    "EightBit",
    "Extent",
    "Family",
    "FeatureMaps",
    "Fill",
    "Finding",
    "FolderSettings",
    "Found",
    "FourierParameters",
    "Gallery",
    "Goal",
    "GradientMap",
    "GreyCanvas",
    "Grid",
    "Group",
    "Head",
    "HeadCodes",
    "Heatmap",
    "Images",
    "Intervention",
    "Kernels",
    "Kinds",
    "Labelled",
    "LabelledPictures",
    "Layer",
    "LayerMap",
    "LayerwiseRules",
    "Likeness",
    "Line",
    "LossKind",
    "LrpRule",
    "MadePicture",
    "Mask",
    "MaskedSettings",
    "Matrix",
    "Measured",
    "Model",
    "ModelFailedError",
    "ModelFile",
    "ModelOutputError",
    "ModelVisualization",
    "Move",
    "Moved",
    "Need",
    "NetworkGraph",
    "NotFoundError",
    "NotSupportedError",
    "Objective",
    "Panel",
    "ParameterSlice",
    "Parametrization",
    "Part",
    "Patching",
    "PathSettings",
    "PhaseParameters",
    "PicassoError",
    "PictureIndex",
    "PictureSearch",
    "PixelParameters",
    "Pixels",
    "Plane",
    "Planted",
    "Prediction",
    "Preprocessing",
    "PrincipalParameters",
    "Property",
    "Pullback",
    "Quality",
    "QuerySettings",
    "Reached",
    "Reading",
    "ReceptiveFields",
    "Rectangles",
    "Reduction",
    "RegionSettings",
    "Regions",
    "Relevance",
    "RelevanceRules",
    "ReluRule",
    "RescaleRule",
    "Role",
    "Rules",
    "Sample",
    "Scatter",
    "ScoreSettings",
    "SearchPlan",
    "Seen",
    "Series",
    "Settings",
    "SettingsError",
    "Shaking",
    "SmallestChange",
    "SobolShares",
    "Step",
    "Stop",
    "Surface",
    "Target",
    "Task",
    "Template",
    "Text",
    "Tile",
    "Trajectory",
    "Visualization",
    "Watched",
    "Wide",
    "Windows",
    "album",
    "alpha_norm",
    "among_tokens",
    "baseline",
    "blend",
    "blurred",
    "bounded",
    "cell_means",
    "chance",
    "channel_maps",
    "class_colors",
    "class_pictures",
    "coarse_to_fine",
    "colorize",
    "contours_of",
    "cut",
    "cut_out",
    "dead_channels",
    "deblocked",
    "divide",
    "divide_sample",
    "draw_designs",
    "eight_bit",
    "enlarge",
    "evenly_chosen",
    "explained_variance",
    "factorize",
    "falling_magnitudes",
    "feature_maps",
    "fill",
    "filter_normalized",
    "find_kernels",
    "from_baselines",
    "gradient_map",
    "grown",
    "holm",
    "index_pictures",
    "jansen",
    "jpeg_quality",
    "kernel_chroma",
    "kernel_likenesses",
    "kernel_strengths",
    "labelled",
    "labelled_by_itself",
    "lay_grid",
    "lay_values",
    "layer_distances",
    "levels_of",
    "lit",
    "log_chroma",
    "luminance",
    "make_atlas",
    "map_strides",
    "maps_to_scale",
    "match_classes",
    "matte",
    "measure",
    "measured_magnitudes",
    "moments",
    "moved",
    "nearest",
    "nearest_neighbors",
    "network_graph",
    "noise_level",
    "of_query",
    "on_one_scale",
    "on_patches",
    "one_class",
    "other_labels",
    "outside",
    "over_channels",
    "overlay",
    "plant_objects",
    "principal_axes",
    "principal_plane",
    "pulled_back",
    "read_drawn",
    "read_head_codes",
    "read_layer",
    "read_layers",
    "read_network",
    "read_objectives",
    "read_regions",
    "recompressed",
    "rectangle",
    "region_of",
    "relit",
    "resized",
    "ruled_gradients",
    "sampling_note",
    "scaled",
    "score_coalitions",
    "score_masked",
    "seam",
    "share_interval",
    "share_line",
    "shared_limits",
    "shares_of",
    "shrunk",
    "sketch_due",
    "smoothed",
    "softened",
    "sparsity",
    "spectrum",
    "spread_around",
    "stand",
    "stretches",
    "suppress",
    "surface",
    "switches",
    "target_scores",
    "to_pixels",
    "to_probabilities",
    "total_variation",
    "transplant",
    "trunk_layers",
    "tsne",
    "umap",
    "unmoved",
    "usual_loss",
    "with_luminance",
]
