"""Other libraries' maps of the same networks and the same picture.

Captum lives beside Picasso, so the tests call it. The others pin what Picasso does not want, or need torchvision whole:
they run in an environment of their own (`make oracles`), which writes small arrays that are committed here and compared
by the tests of each method. Each `make_<library>.py` writes `arrays/<library>.npz`; its keys are
`<method>/<network>/<target>`, with whatever else the method's test needs (masks that were drawn, say).
"""

from pathlib import Path

import numpy as np


def arrays(library: str) -> dict[str, np.ndarray]:
    """Return what a library answered, by `<method>/<network>/<target>` and the like."""
    with np.load(Path(__file__).with_name("arrays") / f"{library}.npz") as kept:
        return dict(kept)
