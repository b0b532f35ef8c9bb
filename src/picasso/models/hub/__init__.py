"""Models by name, from the libraries that offer them."""
