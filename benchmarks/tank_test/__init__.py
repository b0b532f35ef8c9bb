"""The benchmark of the audit: models that were given a wrong reason, and models that were not."""
