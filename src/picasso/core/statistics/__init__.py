"""Statistics and small models that are fitted to numbers."""
