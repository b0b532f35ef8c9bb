"""What attribution methods share: masks, windows, regions, baselines, paths, and what is read off a map."""
