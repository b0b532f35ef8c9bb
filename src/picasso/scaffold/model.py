"""My model for Picasso: how it is loaded, and three hooks where the defaults do not fit.

Try it with:  picasso inspect my_model.py:MyModel
"""

import numpy as np

from picasso.plugin import Array, Head, ModelFile, Preprocessing


class MyModel(ModelFile):
    """Everything that is left out here is found out, or assumed and said so."""

    # One label for each class, in the order of the network's outputs, or the path of a file that holds them.
    labels = ("dark", "bright")
    # How a picture becomes the network's input: (pixels * scale - mean) / std.
    preprocessing = Preprocessing(size=64, resize="stretch", color="rgb", scale=1 / 255, mean=(0.5,), std=(0.25,))
    # What turns the network's scores into probabilities: softmax, sigmoid or none.
    head = Head.SOFTMAX

    def load(self) -> object:
        """Return the network: the path of a file beside this one, a live module, or any function.

        For example:

            return "weights.keras"

            import torch
            network = make_network()
            network.load_state_dict(torch.load("weights.pth", weights_only=True))
            return network
        """

        def network(x: Array) -> Array:
            # A stand-in that runs: float32 (n, height, width, channels) to scores (n, classes).
            brightness = x.mean(axis=(1, 2, 3))
            return np.stack([-brightness, brightness], axis=1)

        return network

    # The three hooks. Each has a default that reads the declarations above; remove the # to override it.

    # def preprocess(self, pictures):
    #     """Turn pictures, uint8 (h, w, 3) RGB of any size, into the input, float32 (n, h, w, c)."""

    # def postprocess(self, activation):
    #     """Lay the activation of a layer, (n, ...), out as an image, (n, h, w, channels)."""

    # def decode_prob(self, scores):
    #     """Turn scores (n, classes) into one list of Prediction(index, label, probability) each, best first."""
