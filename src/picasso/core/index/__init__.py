"""What a model makes of many pictures, found once and kept: its scores, and where each channel of a layer fires."""

from picasso.core.index.building import MOST_PICTURES, index_pictures, pictures_of
from picasso.core.index.crops import Crops, cut
from picasso.core.index.picture_index import PictureIndex
from picasso.core.index.properties import PROPERTIES, PictureProperty
from picasso.core.index.reading import Reading, Strongest
from picasso.core.index.settings import FolderSettings

__all__ = [
    "MOST_PICTURES",
    "PROPERTIES",
    "Crops",
    "FolderSettings",
    "PictureIndex",
    "PictureProperty",
    "Reading",
    "Strongest",
    "cut",
    "index_pictures",
    "pictures_of",
]
