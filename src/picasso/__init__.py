"""Picasso: see what a trained image model looks at."""
