"""Videos, frame by frame (extra `video`): read, explained, and written again with their maps."""
