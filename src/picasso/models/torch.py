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
from picasso.core.targets import Target, seeds
from picasso.models import opened, torch_files, torch_functions
from picasso.models.readout import Readout, find_readout
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
    live = not isinstance(source, str) and not options.owned
    # What a compiler or a parallel wrapper holds is the same network, with its layers in sight.
    source = getattr(source, "_orig_mod", source)
    source = source.module if type(source).__name__ in ("DataParallel", "DistributedDataParallel") else source
    network = torch_files.read_module(Path(source), options.factory) if isinstance(source, str) else source
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
    raw, inner = _ask(module, shape, device, batch)
    readout = find_readout(raw, shape, hooks, options.output, inner, channels_first=True)
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=_digest(module),
        size=sum(parameter.numel() for parameter in module.parameters()),
        notes=(*notes, readout.note),
        fixed_batch=batch,
        task=readout.task,
    )
    return TorchModel(module, readout, inner is not None, facts, hooks, options, device, live)


class TorchModel(Model):
    """A PyTorch network. A live module is left exactly as it was found after every call."""

    framework: ClassVar[str] = "PyTorch"
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    capabilities = frozenset(Capability)

    def __init__(
        self,
        module: Any,
        readout: Readout,
        head_inside: bool,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
        device: Any,
        live: bool,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size)
        self.module = module
        self.device = device
        self._live = live
        self._readout = readout
        self._head_inside = head_inside
        self._listed: tuple[Layer, ...] | None = None

    def origin(self) -> str:
        return _digest(self.module) if self._live else self.facts.origin

    def _layers(self) -> tuple[Layer, ...]:
        if self._listed is None or self._live:
            seen: dict[str, tuple[str, Any]] = {}
            x = np.zeros((self.facts.fixed_batch or 1, *self.input_shape), np.float32)
            with self.running(), _taps(self.module, None, seen):
                self._forward(self._tensor(x))
            self._listed = tuple(
                Layer(name, kind, tuple(_channels_last(value).shape[1:])) for name, (kind, value) in seen.items()
            )
        return self._listed

    def _outputs(self, x: Array) -> dict[str, Array]:
        return self._readout.read(_arrays(self._forward(self._tensor(x))))

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
            answer = self._forward(start.clone(), rules.relu, gradients=True, ruled=ruled)
            self._check_layers(names, seen)
            places = [start if name == INPUT else seen[name][1] for name in wrt]
            raw = _arrays(answer)
            outputs = self._readout.read(raw)
            cotangents = self._readout.pull(raw, seeds(targets, outputs))
            gradients = _gradients(answer, cotangents, places)
        return Pullback(
            outputs=outputs,
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
    ) -> dict[str, Any]:
        """Run the network and return those of its outputs that are read, by name."""
        import torch

        heads: torch_functions.Heads = []
        with ExitStack() as stack:
            stack.enter_context(_at_rest(self.module, frozen=gradients) if self._live else nullcontext())
            if not gradients:
                stack.enter_context(torch.no_grad())
            if self._head_inside or rule is not ReluRule.STANDARD:
                noted = heads if self._head_inside else None
                stack.enter_context(torch_functions.watching(rule, noted, ruled))
            answer = named_outputs(self.module(x))
        if self._head_inside:
            answer, _ = before_heads(answer, heads)
        return {name: answer[name] for name in self._readout.names}

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


def _gradients(answer: dict[str, Any], cotangents: dict[str, Array], places: list[Any]) -> list[Any]:
    """Pull cotangents (k, n, ...) of the outputs back to each place, (k, n, ...), in one batched backward."""
    import torch

    names = [name for name in cotangents if answer[name].requires_grad]
    if not names:
        raise _no_gradient()
    ends = [answer[name] for name in names]
    rows = [torch.from_numpy(cotangents[name]).to(end.device, end.dtype) for name, end in zip(names, ends, strict=True)]
    count = len(rows[0])
    if count == 1:
        one = torch.autograd.grad(ends, places, [row[0] for row in rows], allow_unused=True)
        if all(gradient is None for gradient in one):
            raise _no_gradient()
        return [torch.zeros_like(p)[None] if g is None else g[None] for g, p in zip(one, places, strict=True)]
    try:
        batched = torch.autograd.grad(ends, places, rows, is_grads_batched=True, allow_unused=True, retain_graph=True)
    except RuntimeError:  # an operation without a batching rule
        parts = [
            torch.autograd.grad(ends, places, [row[i] for row in rows], retain_graph=True, allow_unused=True)
            for i in range(count)
        ]
        batched = tuple(None if parts[0][i] is None else torch.stack([p[i] for p in parts]) for i in range(len(places)))
    return [torch.zeros((count, *p.shape)) if g is None else g for g, p in zip(batched, places, strict=True)]


def _no_gradient() -> NotSupportedError:
    return NotSupportedError(
        "The score does not depend on what was asked for through gradients: the network detaches it (no_grad, detach).",
        "Choose another layer, or a visualization that needs no gradients.",
    )


def _ask(
    module: Any, shape: tuple[int, int, int], device: Any, batch: int | None
) -> tuple[dict[str, Array], Head | None]:
    """Run the probe; return the outputs, and the softmax or sigmoid that was taken off from them."""
    import torch

    x = opened.probe(shape)
    parts = x.reshape(-1, 1, *shape).repeat(batch or 1, axis=1)
    heads: torch_functions.Heads = []
    watching, dtype = torch_functions.watching(ReluRule.STANDARD, heads), _dtype(module)
    answers, inner = [], None
    with Model.running(), _at_rest(module, frozen=False), torch.no_grad(), watching:
        for part in parts:
            heads.clear()
            tensor = torch.from_numpy(part.transpose(0, 3, 1, 2).copy()).to(device, dtype)
            answer, inner = before_heads(named_outputs(module(tensor)), heads)
            answers.append(_arrays(answer))
    return {name: np.concatenate([answer[name][:1] for answer in answers]) for name in answers[0]}, inner


def named_outputs(answer: Any, prefix: str = "") -> dict[str, Any]:
    """Return every tensor of numbers that a network returned, by name: keys, places, or "output"."""
    import torch

    if torch.is_tensor(answer):
        return {prefix or "output": answer} if answer.is_floating_point() and answer.ndim else {}
    if hasattr(answer, "_asdict"):
        answer = answer._asdict()
    elif hasattr(answer, "__dataclass_fields__") and not isinstance(answer, dict):
        answer = vars(answer)
    pairs = (
        answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list | tuple) else ()
    )
    found: dict[str, Any] = {}
    for key, part in pairs:
        found |= named_outputs(part, f"{prefix}.{key}" if prefix else str(key))
    return found


def before_heads(answer: dict[str, Any], heads: torch_functions.Heads) -> tuple[dict[str, Any], Head | None]:
    """Put what went into a softmax or sigmoid in the place of what came out, where that is an output."""
    found: Head | None = None
    answer = dict(answer)
    for name, tensor in answer.items():
        for source, result, head in heads:
            if result is tensor:
                answer[name], found = source, head
    return answer, found


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


def _arrays(tensors: dict[str, Any]) -> dict[str, Array]:
    return {name: _array(tensor) for name, tensor in tensors.items()}


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
