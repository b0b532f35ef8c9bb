"""The built-in visualizations, one file each."""
