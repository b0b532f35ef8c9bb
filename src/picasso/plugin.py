"""Everything that a plug-in author imports, and nothing else.

A visualization is one file with one class, and so is an intervention of the audit; a model file holds one class with
`load()`.
"""

from picasso.core.aiming import Part
from picasso.core.attribution import Attribution, enlarge, nearest
from picasso.core.class_pictures import class_pictures
from picasso.core.dataset import match_classes
from picasso.core.diagram import maps_to_scale, network_graph, read_network, share_line
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
from picasso.core.facts import INPUT, Capability, Layer, Patching, Pullback, Quality, ReluRule, Rules, Sample, Task
from picasso.core.focus import suppress
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
from picasso.core.interventions.compression import deblocked, jpeg_quality, recompressed
from picasso.core.interventions.detail import noise_level, smoothed, spectrum
from picasso.core.interventions.filling import fill
from picasso.core.interventions.intervention import Intervention, Mask, Need, Pixels, Property, Role, Seen
from picasso.core.interventions.kinds import Kinds, region_of
from picasso.core.interventions.light import lit
from picasso.core.interventions.pasting import (
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
from picasso.core.interventions.rectangles import Rectangles, rectangle
from picasso.core.interventions.tones import (
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
from picasso.core.labels.annotations import other_labels
from picasso.core.layers.attention import Attention, AttentionLayer
from picasso.core.layers.channel_statistics import channel_maps, dead_channels, shrunk, sparsity
from picasso.core.layers.head_codes import HeadCodes, read_head_codes
from picasso.core.layers.kernels import Kernels, find_kernels, kernel_chroma, kernel_likenesses, kernel_strengths
from picasso.core.layers.likeness import Likeness
from picasso.core.layers.receptive_field import ReceptiveFields
from picasso.core.layers.trunk import read_layer, read_layers, trunk_layers
from picasso.core.learning.album import album
from picasso.core.learning.checkpoints import Checkpoint, Reached, Trajectory
from picasso.core.learning.labelled import Labelled, LabelledPictures, labelled, labelled_by_itself
from picasso.core.learning.landscape import LossKind, Measured, ParameterSlice, measure, spread_around, usual_loss
from picasso.core.learning.parameter_space import filter_normalized, layer_distances, principal_plane
from picasso.core.learning.planting import Planted, plant_objects, read_drawn
from picasso.core.maps.activation_maps import (
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
from picasso.core.maps.attention_maps import AttentionMethod, QuerySettings, among_tokens, of_query, on_patches
from picasso.core.maps.baselines import BASELINES, SHADES, Baseline, baseline, blurred
from picasso.core.maps.gradient_maps import SATURATED, ChannelSettings, Reduction, gradient_map, over_channels
from picasso.core.maps.masking import (
    MASKS_AT_ONCE,
    MaskedSettings,
    ScoreSettings,
    Watched,
    sampling_note,
    score_masked,
    sketch_due,
)
from picasso.core.maps.paths import (
    BaselineSettings,
    PathSettings,
    from_baselines,
    pulled_back,
    target_scores,
)
from picasso.core.maps.regions import (
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
from picasso.core.maps.relu_rules import ruled_gradients, switches
from picasso.core.maps.sobol_indices import DesignCount, SobolShares, draw_designs, jansen
from picasso.core.maps.windows import Found, Windows, coarse_to_fine
from picasso.core.model import Model
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
from picasso.core.pictures.clips import stretches
from picasso.core.pictures.colors import class_colors
from picasso.core.pictures.moving import Move, Moved, map_strides, moved
from picasso.core.pictures.render import colorize, overlay, shared_limits
from picasso.core.pictures.resizing import resized
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.relevance import LayerwiseRules, LrpRule, Relevance, RelevanceRules, RescaleRule
from picasso.core.settings import Extent, Settings
from picasso.core.statistics.concept_vectors import ConceptSpace, Finding, chance
from picasso.core.statistics.embedding import nearest_neighbors, principal_axes, tsne, umap
from picasso.core.statistics.factorization import factorize, shares_of
from picasso.core.statistics.multiple_tests import holm
from picasso.core.statistics.probing import cell_means, explained_variance
from picasso.core.statistics.proportions import share_interval
from picasso.core.synthesis.decoder import Decoder, Grid
from picasso.core.synthesis.descent import Adam
from picasso.core.synthesis.dreaming import GreyCanvas, MadePicture, PictureSearch, SearchPlan
from picasso.core.synthesis.eight_bit import EightBit, eight_bit
from picasso.core.synthesis.objective import Objective, read_objectives
from picasso.core.synthesis.parametrization import COLORS, FourierParameters, Parametrization, PixelParameters
from picasso.core.synthesis.phases import PhaseParameters, falling_magnitudes, measured_magnitudes
from picasso.core.synthesis.principal import PrincipalParameters
from picasso.core.synthesis.priors import alpha_norm, total_variation
from picasso.core.synthesis.shaking import Shaking
from picasso.core.synthesis.smallest_change import Attack, Change, Goal, SmallestChange
from picasso.core.targets import BOX_SCORES, BOXES, LAYER, MASKS, SCORES, Target, one_class
from picasso.core.visualization import AttributionMethod, Context, Family, ModelVisualization, Visualization

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
