"""What a picture, a model, a map and a visualization are; imports no other room."""
