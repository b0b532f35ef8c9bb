"""What the files of a data set give away, without any model."""
