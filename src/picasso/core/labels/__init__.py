"""The names of classes: given, found, and second opinions."""
