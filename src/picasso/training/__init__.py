"""Savers: what a training has to leave behind so that one can see later how the network learned.

Each writes the network's numbers into a folder, and a line about them into its journal. `through-training` and
`loss-landscape` read that folder.
"""

from picasso.training.board import TensorBoardViews
from picasso.training.keras import keras_checkpoints
from picasso.training.torch import save_checkpoint

__all__ = ["TensorBoardViews", "keras_checkpoints", "save_checkpoint"]
