"""Models behind an address that speaks the Open Inference Protocol."""
