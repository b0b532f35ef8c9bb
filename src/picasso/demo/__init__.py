"""Drawn tanks, digits, and the models that were trained on them."""
