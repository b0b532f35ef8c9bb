"""How the documentation is built. Nothing here, and no page that comes out, reaches the network."""

from importlib.metadata import version as installed_version

project = "Picasso"
author = "The Picasso maintainers"
copyright = "The Picasso maintainers. Apache License 2.0"
release = version = installed_version("picasso")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_generated"]

# Docstrings put code between single backticks, and mean every quotation mark.
default_role = "code"
smartquotes = False
# No dollar math: its renderer would fetch a script from elsewhere.
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True, "exclude-members": "model_config, settings_type"}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "Attributes"), ("References", "notes")]
napoleon_use_ivar = True
napoleon_preprocess_types = False

html_theme = "furo"
html_title = "Picasso"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False}
