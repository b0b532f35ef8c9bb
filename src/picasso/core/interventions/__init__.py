"""Interventions: their contract, and what they do to the pixels of a picture."""
