"""What a network learned and from what: checkpoints, parameters, losses, pictures of known classes."""
