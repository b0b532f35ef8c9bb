"""What a visualization yields. A panel kind is one file here (its data and its static form) and one in the page."""

from picasso.core.panels.bars import Bars
from picasso.core.panels.base import Panel
from picasso.core.panels.curve import Curve
from picasso.core.panels.drawing import Drawing
from picasso.core.panels.feature_maps import FeatureMaps
from picasso.core.panels.gallery import Gallery
from picasso.core.panels.graph import NetworkGraph
from picasso.core.panels.heatmap import Heatmap
from picasso.core.panels.images import Images
from picasso.core.panels.matrix import Matrix
from picasso.core.panels.scatter import Scatter
from picasso.core.panels.series import Series
from picasso.core.panels.surface import Surface
from picasso.core.panels.template import Template
from picasso.core.panels.text import Text

__all__ = [
    "Bars",
    "Curve",
    "Drawing",
    "FeatureMaps",
    "Gallery",
    "Heatmap",
    "Images",
    "Matrix",
    "NetworkGraph",
    "Panel",
    "Scatter",
    "Series",
    "Surface",
    "Template",
    "Text",
]
