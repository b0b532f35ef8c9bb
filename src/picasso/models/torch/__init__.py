"""PyTorch: modules, weights, exported programs, TorchScript."""
