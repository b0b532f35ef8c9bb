"""Exact maps of partial occlusion, fast: of every layer only what a window can reach is computed again.

`fusing` turns an op graph into few steps, `steps` runs them on whole maps and on patches with the `kernels` of PyTorch,
`regions` knows which part of a map depends on which part of another, `plans` puts windows together, `occlusion` follows
them through the steps, `checking` compares what comes out with the network itself, and `accelerator` decides.

Beside that, `executor` runs a graph plainly on autograd, with rules for single operations: `rescale` (DeepLIFT) and
`layerwise` (LRP) are such rules, `pieces` takes normalizations apart for them, `relevance` shares scores out, and
`attention` finds what tokens take from each other.
"""
