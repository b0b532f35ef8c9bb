"""Folders of the original Picasso of 2017."""
