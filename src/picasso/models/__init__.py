"""Adapters, one file per framework."""
