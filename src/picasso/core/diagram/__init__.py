"""Diagrams of networks: what is connected with what, in nested blocks, laid out and drawn.

`steps` reads a live model, `blocks` nests its steps by their names, `layered` gives each a row and a column, `placing`
turns those into points for any state of open and closed blocks, and `svg`, `dot`, `tikz` and `to_scale` draw.
"""

from picasso.core.diagram.blocks import network_graph
from picasso.core.diagram.boxes import Arc, Box, Role
from picasso.core.diagram.steps import Network, Step, read_network
from picasso.core.diagram.to_scale import maps_to_scale
from picasso.core.diagram.words import share_line

__all__ = ["Arc", "Box", "Network", "Role", "Step", "maps_to_scale", "network_graph", "read_network", "share_line"]
