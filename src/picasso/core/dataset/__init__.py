"""Labelled data sets: pictures with classes, masks and metadata, from folders, tables, COCO files and archives."""

from picasso.core.dataset.dataset import Dataset
from picasso.core.dataset.example import Box, Example, Skipped
from picasso.core.dataset.matching import match_classes
from picasso.core.dataset.reading import read_dataset

__all__ = ["Box", "Dataset", "Example", "Skipped", "match_classes", "read_dataset"]
