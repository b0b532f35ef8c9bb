"""Which map to believe: what is measured of attribution maps, one measure to a file."""
