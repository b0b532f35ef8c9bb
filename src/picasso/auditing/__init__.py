"""The tank test: whether a model is right for the right reason, asked of a whole data set."""
