"""TensorFlow graphs: SavedModels, checkpoints with meta graphs, frozen graphs."""
