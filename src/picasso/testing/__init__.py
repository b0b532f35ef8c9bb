"""Conformance suites for plug-in authors: does a visualization, does a model keep its contract?

They need no test framework, so that they run in a test, a notebook or a shell alike.
"""

from picasso.testing.common import small_model, small_transformer
from picasso.testing.models import check_model
from picasso.testing.visualizations import check_visualization

__all__ = ["check_model", "check_visualization", "small_model", "small_transformer"]
