"""Kinds of regions, found in the pictures alone."""
