"""ONNX Runtime: the forward side of a graph, and what the PyTorch side is checked against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelFileError
from picasso.models.onnx.reading import OnnxFile, first_line


class Runtime:
    """A session that returns any values of a graph, those in its middle too.

    Args:
        file: The graph.
        names: Names of the values to return.

    Raises:
        ModelFileError: ONNX Runtime refuses the graph.
    """

    def __init__(self, file: OnnxFile, names: Sequence[str]) -> None:
        import onnx
        import onnxruntime
        import torch

        proto = onnx.ModelProto()
        proto.CopyFrom(file.proto)
        own = {value.name: value for value in file.proto.graph.output}
        del proto.graph.output[:]
        # A value without a type: ONNX Runtime infers it.
        proto.graph.output.extend([own.get(name, onnx.ValueInfoProto(name=name)) for name in names])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what it warns of concerns graphs' authors; errors are raised
        # The session reads these arrays where they lie, so they must live as long as it does.
        self._weights = [file.weights[name] for name in file.apart]
        shared = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in self._weights]
        options.add_external_initializers(list(file.apart), shared)
        try:
            self._session = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:
            raise ModelFileError(
                f"ONNX Runtime refuses {file.name}: {_plain(error)}.", "Export the network again."
            ) from error
        self.names = tuple(names)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the values by name; those that are no arrays are left out."""
        answers = self._session.run(list(self.names), dict(feeds))
        return {
            name: answer for name, answer in zip(self.names, answers, strict=True) if isinstance(answer, np.ndarray)
        }


def _plain(error: Exception) -> str:
    """Return what ONNX Runtime says, without its codes."""
    return first_line(error).rpartition(" : ")[2]
