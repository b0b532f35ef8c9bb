"""Keras 1, 2 and 3: files and live models, on every backend."""
