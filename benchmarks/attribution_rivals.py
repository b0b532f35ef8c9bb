"""What makes the same maps as Picasso's methods: other libraries, and plain loops.

Each rival is made for one network, picture and class, and is called to make one map. Where a library is not there, or
cannot explain the network, the page says so.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.networks import Array, Network

Run = Callable[[], Array | None]
"""Makes a map (height, width); None where there is none to compare."""
BATCHES = (8, 16)
FRAMEWORK, LOOP = "the framework's own gradient", "a plain loop"
FORWARD = "forward"


@dataclass(frozen=True)
class Scene:
    """What is explained.

    Args:
        network: Which of the benchmark's networks.
        made: It itself.
        x: The picture, (1, height, width, channels).
        target: The class.
        layer: Of class activation maps.
        regions: Number of each pixel's superpixel, (height, width).
        absent: From where integrated gradients come, (height, width, channels).
        masks: What is laid over the picture, (n, height, width).
        passes: How many perturbed pictures, or points of a path.
    """

    network: Network
    made: Any
    x: Array
    target: int
    layer: str
    regions: Any
    absent: Array
    masks: Array
    passes: int

    @property
    def tensor(self) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(self.x, -1, 1)))


def forward(scene: Scene) -> Run:
    """One plain forward pass of one picture, without gradients."""
    if scene.network.kind == "keras":
        import tensorflow as tf

        compiled, x = tf.function(lambda x: scene.made(x, training=False)), tf.constant(scene.x)

        def run_keras() -> None:
            compiled(x).numpy()

        return run_keras
    import torch

    tensor = scene.tensor

    def run() -> None:
        with torch.inference_mode():
            scene.made(tensor)

    return run


def rivals(method: str, scene: Scene) -> Iterator[tuple[str, int, Callable[[], Run]]]:
    """Yield the rivals of a method: title, size of batch or 0, and what makes it."""
    of_torch: dict[str, list[tuple[str, bool, Callable[..., Run]]]] = {
        "grad-cam": [("pytorch-grad-cam", False, _their_grad_cam), ("the same, weights frozen", False, _frozen)],
        "saliency-map": [(FRAMEWORK, False, _autograd), ("Captum", False, _captum_saliency)],
        "integrated-gradients": [("Captum", True, _captum_integrated)],
        "rise": [(LOOP, True, _loop)],
        "lime": [(LOOP, True, _loop), ("Captum", True, _captum_lime)],
        "score-cam": [(LOOP, True, _loop)],
    }
    of_keras: dict[str, list[tuple[str, bool, Callable[..., Run]]]] = {
        "grad-cam": [("tf-keras-vis", False, _keras_vis), ("Xplique", False, _xplique("GradCAM"))],
        "saliency-map": [(FRAMEWORK, False, _tape), ("Xplique", False, _xplique("Saliency"))],
        "integrated-gradients": [("Xplique", True, _xplique("IntegratedGradients"))],
        "rise": [(LOOP, True, _keras_loop), ("Xplique", True, _xplique("Rise"))],
        "lime": [(LOOP, True, _keras_loop), ("Xplique", True, _xplique("Lime"))],
        "score-cam": [(LOOP, True, _keras_loop)],
    }
    for title, batched, make in (of_keras if scene.network.kind == "keras" else of_torch)[method]:
        for batch in BATCHES if batched else (0,):
            yield title, batch, lambda make=make, batch=batch: make(scene, batch)


# --- PyTorch -----------------------------------------------------------------------------------------------------


def _their_grad_cam(scene: Scene, batch: int, frozen: bool = False) -> Run:
    import torch

    gradcam = importlib.import_module("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    # A network as a library gives it: its weights can be trained.
    network = copy.deepcopy(scene.made).requires_grad_(not frozen)

    def laid(tokens: Any) -> Any:
        side = int((tokens.shape[1] - 1) ** 0.5)
        return tokens[:, 1:].reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)

    part = network.get_submodule(scene.layer)
    with torch.inference_mode():
        seen: list[int] = []
        handle = part.register_forward_hook(lambda *given: seen.append(given[2].ndim))
        network(scene.tensor)
        handle.remove()
    cam = gradcam.GradCAM(network, [part], laid if seen == [3] else None)
    cam.activations_and_grads.detach = True
    cam.compute_input_gradient = frozen
    targets, tensor = [ClassifierOutputTarget(scene.target)], scene.tensor
    return lambda: np.asarray(cam(tensor, targets)[0])


def _frozen(scene: Scene, batch: int) -> Run:
    return _their_grad_cam(scene, batch, frozen=True)


def _autograd(scene: Scene, batch: int) -> Run:
    import torch

    def run() -> Array:
        x = scene.tensor.requires_grad_()
        (gradient,) = torch.autograd.grad(scene.made(x)[0, scene.target], x)
        found: Array = gradient[0].abs().amax(dim=0).numpy()
        return found

    return run


def _captum_saliency(scene: Scene, batch: int) -> Run:
    from captum.attr import Saliency

    saliency = Saliency(scene.made)

    def run() -> Array:
        found: Array = saliency.attribute(scene.tensor.requires_grad_(), target=scene.target)[0].amax(dim=0).numpy()
        return found

    return run


def _captum_integrated(scene: Scene, batch: int) -> Run:
    import torch
    from captum.attr import IntegratedGradients

    integrated = IntegratedGradients(scene.made)
    absent = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scene.absent, -1, 0)))[None]

    def run() -> Array:
        values = integrated.attribute(
            scene.tensor,
            absent,
            target=scene.target,
            n_steps=scene.passes,
            method="gausslegendre",
            internal_batch_size=batch,
        )
        found: Array = values[0].detach().sum(dim=0).numpy()
        return found

    return run


def _captum_lime(scene: Scene, batch: int) -> Run:
    import torch
    from captum.attr import Lime

    importlib.import_module("sklearn")  # its linear models
    lime = Lime(scene.made)
    regions = torch.from_numpy(np.asarray(scene.regions, np.int64))[None, None]

    def run() -> None:
        with torch.inference_mode():
            lime.attribute(
                scene.tensor,
                target=scene.target,
                feature_mask=regions,
                n_samples=scene.passes,
                perturbations_per_eval=batch,
            )

    return run


def _loop(scene: Scene, batch: int) -> Run:
    """Pictures behind masks that were drawn beforehand, batch by batch."""
    import torch

    masks = torch.from_numpy(scene.masks)[:, None]

    def run() -> None:
        x = scene.tensor
        with torch.inference_mode():
            for part in masks.split(batch):
                scene.made(x * part)

    return run


# --- Keras -------------------------------------------------------------------------------------------------------


def _keras_vis(scene: Scene, batch: int) -> Run:
    gradcam = importlib.import_module("tf_keras_vis.gradcam")
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    from picasso.plugin import enlarge

    made = gradcam.Gradcam(scene.made, model_modifier=ReplaceToLinear(), clone=True)
    score = CategoricalScore(scene.target)
    height, width = scene.x.shape[1:3]

    def run() -> Array:
        # Laid over the picture as Picasso's: its own cubic enlargement would be what is compared.
        native = made(
            score, scene.x, penultimate_layer=scene.layer, seek_penultimate_conv_layer=False, expand_cam=False
        )
        return enlarge(np.asarray(native, np.float32)[0], height, width)

    return run


def _tape(scene: Scene, batch: int) -> Run:
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.math.log(scene.made(x, training=False)[0, scene.target])
        return tape.gradient(score, x)

    def run() -> None:
        gradient(tf.constant(scene.x)).numpy()

    return run


def _xplique(name: str) -> Callable[..., Run]:
    def make(scene: Scene, batch: int) -> Run:
        attributions = importlib.import_module("xplique.attributions")
        more: dict[str, Any] = {"batch_size": batch} if batch else {}
        if name == "IntegratedGradients":
            more["steps"] = scene.passes
        elif name in ("Rise", "Lime"):
            more["nb_samples"] = scene.passes
        if name == "Lime":
            more["map_to_interpret_space"] = lambda _: np.asarray(scene.regions, np.int32)
        if name == "GradCAM":
            more["conv_layer"] = scene.layer
        explainer = getattr(attributions, name)(scene.made, **more)
        targets = np.zeros((1, scene.made.output_shape[-1]), np.float32)
        targets[0, scene.target] = 1

        def run() -> None:
            np.asarray(explainer(scene.x, targets))

        return run

    return make


def _keras_loop(scene: Scene, batch: int) -> Run:
    """Keras's own `predict` of pictures behind masks."""

    def run() -> None:
        scene.made.predict(scene.x * scene.masks[..., None], batch_size=batch, verbose=0)

    return run
