"""PyTorch networks: live modules, bare weights with a factory, and exported programs."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ConfigurationError, MissingExtraError, ModelOutputError, NotSupportedError
from picasso.core.hooks import Head, ModelFile
from picasso.core.model import INPUT, Capability, Facts, Layer, Model, Pullback, ReluRule, Rules
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.core.targets import SCORES, Target
from picasso.models import opened, torch_files, torch_functions
from picasso.models.torch_exported import fixed_batch, input_shape, is_exported, module_of

_MODULE = "torch.nn.modules.module"


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: a PyTorch file, module or exported program."""
    if isinstance(source, str):
        return Path(source).suffix.lower() in torch_files.SUFFIXES
    return any(base.__module__ == _MODULE for base in type(source).__mro__) or is_exported(source)


def open_model(source: Any, hooks: ModelFile, options: Options) -> Model:
    """Open a PyTorch network.

    Args:
        source: A path, a live torch.nn.Module, or an ExportedProgram.
        hooks: The user's choices.
        options: Device, batch size, factory, name.

    Raises:
        MissingExtraError: PyTorch is not installed.
        ModelFileError: The file cannot be opened, or its weights do not fit.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("PyTorch is not installed.", "Install it with: pip install 'picasso[torch]'")
    live = not isinstance(source, str)
    # What a compiler or a parallel wrapper holds is the same network, with its layers in sight.
    source = getattr(source, "_orig_mod", source)
    source = source.module if type(source).__name__ in ("DataParallel", "DistributedDataParallel") else source
    network = source if live else torch_files.read_module(Path(source), options.factory)
    batch = fixed_batch(network) if is_exported(network) else None
    shape = opened.declared_shape(hooks) or (input_shape(network) if is_exported(network) else None)
    live = live and not is_exported(network)
    module = module_of(network) if is_exported(network) else network
    module, device = _placed(module, options.device, live)
    notes: list[str] = []
    if shape is None:
        shape = _tried_shape(module, device, batch)
        notes.append(f"The input's size was found by trying: {shape[0]} x {shape[1]}, {shape[2]} channels.")
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        hooks.preprocessing, note = opened.assumed_preprocessing(shape[:2], shape[2])
        notes.append(note)
    chosen = Head(hooks.head) if hooks.head else None
    answer, inner = _ask(module, shape, device, batch)
    opened.check_answer(answer)
    inside = inner is not None and chosen in (None, inner)
    if inner is not None and inside:
        head, units, note = inner, "logit", f"The network ends in a {inner}; what goes into it is explained."
    else:
        head, units, note = opened.find_head(answer, chosen)
    from_probability = units == "probability"
    if from_probability:
        units = "log probability" if head is Head.SOFTMAX else "logit"
    facts = Facts(
        input_shape=shape,
        columns=answer.shape[1],
        head=head,
        units=units,
        origin=_digest(module),
        size=sum(parameter.numel() for parameter in module.parameters()),
        notes=(*notes, note),
        fixed_batch=batch,
    )
    return TorchModel(module, facts, hooks, options, device, live, inside, from_probability)


class TorchModel(Model):
    """A PyTorch network. A live module is left exactly as it was found after every call."""

    framework: ClassVar[str] = "PyTorch"
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    capabilities = frozenset(Capability)

    def __init__(
        self,
        module: Any,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
        device: Any,
        live: bool,
        head_inside: bool,
        from_probability: bool,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size)
        self.module = module
        self.device = device
        self._live = live
        self._head_inside = head_inside
        self._from_probability = from_probability
        self._layers: tuple[Layer, ...] | None = None

    def origin(self) -> str:
        return _digest(self.module) if self._live else self.facts.origin

    def layers(self) -> tuple[Layer, ...]:
        if self._layers is None or self._live:
            seen: dict[str, tuple[str, Any]] = {}
            x = np.zeros((self.facts.fixed_batch or 1, *self.input_shape), np.float32)
            with self.running(), _taps(self.module, None, seen):
                self._forward(self._tensor(x))
            self._layers = tuple(
                Layer(name, kind, tuple(_channels_last(value).shape[1:])) for name, (kind, value) in seen.items()
            )
        return self._layers

    def _outputs(self, x: Array) -> dict[str, Array]:
        return {SCORES: _array(self._forward(self._tensor(x)))}

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        seen: dict[str, tuple[str, Any]] = {}
        with _taps(self.module, set(layers), seen):
            self._forward(self._tensor(x))
        self._check_layers(layers, seen)
        return {name: _array(_channels_last(seen[name][1])) for name in layers}

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        import torch

        names = [name for name in wrt if name != INPUT]
        seen: dict[str, tuple[str, Any]] = {}
        start = self._tensor(x).requires_grad_(INPUT in wrt)
        # At rest until backward has ended: checkpointed parts of a network run a second time then.
        rest = _at_rest(self.module, frozen=True) if self._live else nullcontext()
        with rest, _taps(self.module, set(names), seen), torch.enable_grad():
            # A copy goes in, so that a network that begins with an in-place operation leaves the leaf alone.
            ruled: list[Any] = []
            scores = self._forward(start.clone(), rules.relu, gradients=True, ruled=ruled)
            self._check_layers(names, seen)
            places = [start if name == INPUT else seen[name][1] for name in wrt]
            wanted = torch.stack([target({SCORES: scores}).sum() for target in targets])
            gradients = _gradients(wanted, places)
        return Pullback(
            outputs={SCORES: _array(scores)},
            values={name: _array(_channels_last(value)) for name, value in zip(wrt, places, strict=True)},
            gradients={
                name: np.stack([_array(_channels_last(one)) for one in gradient])
                for name, gradient in zip(wrt, gradients, strict=True)
            },
            ruled=len(ruled),
        )

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        import torch

        return (
            super().is_out_of_memory(error)
            or isinstance(error, torch.OutOfMemoryError)
            or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
        )

    def _forward(
        self, x: Any, rule: ReluRule = ReluRule.STANDARD, gradients: bool = False, ruled: list[Any] | None = None
    ) -> Any:
        """Run the network and return its scores, (n, columns)."""
        import torch

        last_head: list[tuple[Any, Any, Head]] = []
        with ExitStack() as stack:
            stack.enter_context(_at_rest(self.module, frozen=gradients) if self._live else nullcontext())
            if not gradients:
                stack.enter_context(torch.no_grad())
            if self._head_inside or rule is not ReluRule.STANDARD:
                noted = last_head if self._head_inside else None
                stack.enter_context(torch_functions.watching(rule, noted, ruled))
            answer = _first_scores(self.module(x))
        if self._head_inside:
            return last_head[0][0]
        if not self._from_probability:
            return answer
        if self.head is Head.SOFTMAX:
            return answer.float().clamp_min(1e-30).log()
        return torch.logit(answer.double(), 1e-12).to(answer.dtype)

    def _tensor(self, x: Array) -> Any:
        import torch

        # Contiguous channels first: a network that uses .view() would refuse the channels-last layout.
        tensor = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        return tensor.to(self.device, _dtype(self.module))

    def _check_layers(self, layers: Sequence[str], seen: dict[str, tuple[str, Any]]) -> None:
        for name in layers:
            if name not in seen:
                raise opened.unknown_layer(name, [layer.name for layer in self.layers()])


def _placed(module: Any, wanted: str | None, live: bool) -> tuple[Any, Any]:
    """Return the module on its device, in evaluation mode where it is ours; a live module is never moved."""
    import torch

    current = next((p.device for p in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    if wanted is not None:
        try:
            device = torch.device(wanted)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"The device '{wanted}' cannot be used: {reason}.", "Use cpu.") from None
    elif live:
        device = current
    else:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if live:
        return (module, device) if device == current else (copy.deepcopy(module).to(device), device)
    module = module.to(device)
    _rest(module)
    return module.requires_grad_(False), device


def _rest(module: Any) -> None:
    """Put a module of our own into evaluation mode; exported programs refuse eval() and are in it already."""
    for part in module.modules():
        part.training = False


@contextmanager
def _at_rest(module: Any, frozen: bool) -> Iterator[None]:
    """Put a live module into evaluation mode, and its parameters out of the graph; then restore every flag."""
    modes = [(part, part.training) for part in module.modules()]
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad] if frozen else []
    try:
        for part, _ in modes:
            part.training = False
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def _taps(module: Any, wanted: set[str] | None, seen: dict[str, tuple[str, Any]]) -> Iterator[None]:
    """Note the outputs of layers while the network runs.

    A noted output starts a graph of its own where nothing before it needs a gradient, so that backward stops there;
    the network goes on with a copy, so that an in-place ReLU behind the layer does not overwrite what is noted.

    Args:
        module: The network.
        wanted: Names of the layers, "name:2" for a second run; None for all, without copies.
        seen: Gets (kind, tensor) by name, in the order of execution.
    """
    import torch

    runs: dict[str, int] = {}
    handles = []

    def tap(name: str) -> Any:
        def hook(part: Any, args: Any, output: Any) -> Any:
            runs[name] = runs.get(name, 0) + 1
            key = name if runs[name] == 1 else f"{name}:{runs[name]}"
            if not torch.is_tensor(output) or not output.is_floating_point() or output.ndim < 2:
                return None
            if wanted is None:
                seen[key] = (getattr(part, "kind", type(part).__name__), output)
                return None
            if key not in wanted:
                return None
            if torch.is_grad_enabled() and not output.requires_grad:
                output = output.detach().requires_grad_()
            seen[key] = (type(part).__name__, output)
            return output.clone()

        return hook

    try:
        for name, part in module.named_modules():
            if name:
                handles.append(part.register_forward_hook(tap(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _gradients(wanted: Any, places: list[Any]) -> list[Any]:
    """Return the gradients of each wanted scalar (k,) at each place, (k, ...), in one batched backward."""
    import torch

    count = len(wanted)
    if not wanted.requires_grad:
        raise _no_gradient()
    if count == 1:
        one = torch.autograd.grad(wanted[0], places, allow_unused=True)
        if all(gradient is None for gradient in one):
            raise _no_gradient()
        return [torch.zeros_like(p)[None] if g is None else g[None] for g, p in zip(one, places, strict=True)]
    rows = torch.eye(count, dtype=wanted.dtype, device=wanted.device)
    try:
        batched = torch.autograd.grad(wanted, places, rows, is_grads_batched=True, allow_unused=True, retain_graph=True)
    except RuntimeError:  # an operation without a batching rule
        parts = [torch.autograd.grad(wanted, places, row, retain_graph=True, allow_unused=True) for row in rows]
        batched = tuple(None if parts[0][i] is None else torch.stack([p[i] for p in parts]) for i in range(len(places)))
    return [torch.zeros((count, *p.shape)) if g is None else g for g, p in zip(batched, places, strict=True)]


def _no_gradient() -> NotSupportedError:
    return NotSupportedError(
        "The score does not depend on what was asked for through gradients: the network detaches it (no_grad, detach).",
        "Choose another layer, or a visualization that needs no gradients.",
    )


def _ask(module: Any, shape: tuple[int, int, int], device: Any, batch: int | None) -> tuple[Array, Head | None]:
    """Run the probe; return the answer, and the softmax or sigmoid whose output that answer is."""
    import torch

    x = opened.probe(shape)
    parts = x.reshape(-1, 1, *shape).repeat(batch or 1, axis=1)
    last_head: list[tuple[Any, Any, Head]] = []
    watching, dtype = torch_functions.watching(ReluRule.STANDARD, last_head), _dtype(module)
    with Model.running(), _at_rest(module, frozen=False), torch.no_grad(), watching:
        answers = []
        for part in parts:
            answer = _first_scores(module(torch.from_numpy(part.transpose(0, 3, 1, 2).copy()).to(device, dtype)))
            inner = last_head[0][2] if last_head and last_head[0][1] is answer else None
            answers.append(_array(answer))
    return np.concatenate(answers), inner


def _first_scores(answer: Any) -> Any:
    """Return the class scores from what a network returned: a tensor, or the first that fits in a tuple or dict."""
    import torch

    if torch.is_tensor(answer):
        # A binary classifier that squeezes its one column away.
        return answer[:, None] if answer.ndim == 1 else answer
    named = answer if isinstance(answer, dict) else vars(answer) if hasattr(answer, "__dict__") else {}
    chosen = [named[name] for name in ("logits", "scores") if name in named]
    parts = chosen or list(answer.values() if isinstance(answer, dict) else answer if answer is not None else ())
    fitting = {part.shape[1] for part in parts if torch.is_tensor(part) and part.ndim == 2}
    if len(fitting) > 1:
        raise ModelOutputError(
            f"The network returns several outputs, of {' and '.join(map(str, sorted(fitting)))} columns.",
            "Give a model file whose load() returns a network of class scores alone.",
        )
    for part in parts:
        if torch.is_tensor(part) and part.ndim == 2:
            return part
    raise ModelOutputError(
        f"The network returned a {type(answer).__name__} without class scores (n, classes).",
        "Give a model file whose load() returns a network of class scores.",
    )


def _tried_shape(module: Any, device: Any, batch: int | None) -> tuple[int, int, int]:
    """Find an input shape that the network takes, from its first convolution's channels and the usual sides."""
    import torch

    known = next((m.in_channels for m in module.modules() if isinstance(m, torch.nn.Conv2d)), None)
    problem = ""
    for channels, side in [(c, s) for c in ([known] if known else [3, 1]) for s in opened.PROBE_SIDES]:
        tensor = torch.zeros((batch or 1, channels, side, side), device=device, dtype=_dtype(module))
        try:
            with _at_rest(module, frozen=False), torch.no_grad():
                module(tensor)
        except Exception as error:
            problem = problem or str(error).splitlines()[0]
            continue
        return side, side, channels
    raise ModelOutputError(
        f"The input's size is not known, and none of the usual ones fits: {problem}.",
        "Declare it: preprocessing=Preprocessing(size=...).",
    )


def _dtype(module: Any) -> Any:
    import torch

    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def _channels_last(tensor: Any) -> Any:
    """Move the channels of (..., n, c, h, w) last; vectors and tokens stay as they are."""
    return tensor.movedim(1, -1) if tensor.ndim == 4 else tensor


def _array(tensor: Any) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().float().cpu().numpy())
    return array


def _digest(module: Any) -> str:
    """Digest a module: its class's source, its structure, its parameters and buffers."""
    import torch

    digest = hashlib.sha256(repr(module).encode())
    try:
        digest.update(inspect.getsource(type(module)).encode())
    except (OSError, TypeError):
        digest.update(type(module).__qualname__.encode())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()
