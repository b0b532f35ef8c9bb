"""ONNX graphs, run on PyTorch and checked against ONNX Runtime."""
