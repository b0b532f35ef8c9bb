"""What the commands of `picasso.cli` are made of."""
