"""PyTorch networks: live modules, bare weights with a factory, exported programs and TorchScript."""

from __future__ import annotations

import copy
import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

from picasso.core.errors import MissingExtraError, ModelFailedError, PicassoError
from picasso.core.facts import Facts
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.trust import file_digest
from picasso.models import opened
from picasso.models.readout import find_readout
from picasso.models.torch import files as torch_files
from picasso.models.torch.asking import Asking
from picasso.models.torch.exported import fixed_batch, input_shape, is_exported, module_of, with_inputs
from picasso.models.torch.inputs import Shape, find_call, own_channels, tried
from picasso.models.torch.model import TorchModel
from picasso.models.torch.outputs import detections_of
from picasso.models.torch.script import ScriptModel
from picasso.models.torch.state import (
    at_rest,
    check_ready,
    digest_of_module,
    dtype_of,
    is_quantized,
    own_labels,
    placed,
)

_MODULE = "torch.nn.modules.module"
_BATCHES = (2, 4, 8, 10, 16, 32, 64)
"""Numbers of pictures that are tried where a network refuses one alone."""
_SCRIPT = "TorchScript lets nobody look inside: it has no layers and no ReLU rules here."
_QUANTIZED = "The network computes with quantized numbers: it gives no gradients."


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: a PyTorch file, module or exported program."""
    if isinstance(source, str):
        return source.lower().endswith(torch_files.SUFFIXES) or torch_files.is_checkpoint(Path(source))
    return any(base.__module__ == _MODULE for base in type(source).__mro__) or is_exported(source)


def open_model(source: Any, hooks: ModelFile, options: Options) -> Model:
    """Open a PyTorch network.

    Args:
        source: A path, a live torch.nn.Module, or an ExportedProgram.
        hooks: The user's choices.
        options: Device, batch size, factory, name, the picture's input and what the others get, trust.

    Raises:
        MissingExtraError: PyTorch is not installed.
        ModelFileError: The file cannot be opened, or its weights do not fit.
        UnsafeModelError: Opening the file would run code that comes with it.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("PyTorch is not installed.", "Install it with: pip install 'picasso[torch]'")
    path = Path(source) if isinstance(source, str) else None
    kept: tuple[str, ...] = ()
    live = path is None and not options.owned
    # What a compiler or a parallel wrapper holds is the same network, with its layers in sight.
    network = getattr(source, "_orig_mod", source)
    network = network.module if type(network).__name__ in ("DataParallel", "DistributedDataParallel") else network
    if path is not None:
        network, kept = torch_files.read_module(path, options.factory, options.trust)
    batch, zeros = None, list[str]()
    shape: Shape | None = opened.declared_shape(hooks)
    frames, exported = hooks.frames, None
    if is_exported(network):
        live, batch, exported = False, fixed_batch(network, options.input), input_shape(network, options.input)
        if exported is not None:
            shape, frames = shape or exported[-3:], exported[0] if len(exported) == 4 else frames
        asked_for, options = options, with_inputs(network, options)
        zeros = sorted(set(options.hold) - set(asked_for.hold))
        network = module_of(network)
    check_ready(network)
    module, device, note = placed(network, options.device, live)
    notes = [note] if note else []
    if zeros:
        notes.append(f"Other inputs get zeros: {', '.join(zeros)}.")
    known, said = shape is not None, frames is not None
    try:
        answered = _first_that_answers(module, shape, frames, device, batch, options)
    except PicassoError:
        if not opened.takes_channels(hooks, exported[-1] if exported else own_channels(module)):
            raise
        shape = opened.declared_shape(hooks)
        answered = _first_that_answers(module, shape, frames, device, batch, options)
    whole, batch, asking, found = answered
    shape, frames = whole[-3:], whole[0] if len(whole) == 4 else None
    if frames is not None and not said:
        notes.append(f"The network reads clips; it takes {frames} frames.")
    if not known:
        notes.append(f"The input's size was found by trying: {shape[0]} x {shape[1]}, {opened.counted(shape[2])}.")
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        hooks.preprocessing, assumed = opened.assumed_preprocessing((shape[0], shape[1]), shape[2])
        notes.append(assumed)
    asked = asking.ask(whole, batch)
    if asking.boxes:
        hooks.boxes = hooks.boxes or "xyxy"
        notes.append(f"Boxes come behind the network's own suppression, at most {asking.detections.boxes} a picture.")
    size = shape[0], shape[1], shape[2]
    readout = find_readout(asked.raw, size, hooks, options.output, asked.head, channels_first=True)
    module = asking.call.module
    labels = own_labels(module, readout.columns) if hooks.labels is None else ()
    if labels:
        hooks.labels = labels
        notes.append("The labels are those of the network's own configuration.")
    elif hooks.labels is None and kept and len(kept) == readout.columns:
        hooks.labels = kept
        notes.append("The labels are those that the checkpoint keeps.")
    kind = ScriptModel if _is_script(module) else TorchModel
    notes += [*found, *asked.notes, *([_SCRIPT] if kind is ScriptModel else [])]
    notes += [_QUANTIZED] if is_quantized(module) else []
    facts = Facts(
        input_shape=size,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=file_digest(path) if path and kind is ScriptModel else digest_of_module(module),
        size=sum(parameter.numel() for parameter in module.parameters()),
        notes=(*notes, readout.note),
        fixed_batch=asked.batch,
        task=readout.task,
        frames=frames,
    )
    return kind(asking, readout, asked.head is not None, facts, hooks, options, live, asked.random)


def _first_that_answers(
    module: Any, declared: Shape | None, frames: int | None, device: Any, batch: int | None, options: Options
) -> tuple[Shape, int | None, Asking, list[str]]:
    """Find an input shape, a way of calling and where need be a number of pictures with which the network runs."""
    import torch

    dtype = dtype_of(module)
    first: Exception | None = None
    for shape, call in tried(module, declared, frames, find_call(module, options, device, dtype)):
        x = torch.zeros((batch or 1, shape[-1], *shape[:-1]), device=device, dtype=dtype)
        try:
            with at_rest(module, frozen=False), torch.no_grad():
                call(x)
        except Exception as error:
            first = first or error
            continue
        return shape, batch, Asking(call, device, dtype, detections_of(module)), [call.note] if call.note else []
    assert first is not None, "something was tried"
    if dtype in (torch.float16, torch.bfloat16) and "not implemented for" in str(first):
        wide = copy.deepcopy(module).float()
        shape, batch, asking, notes = _first_that_answers(wide, declared, frames, device, batch, options)
        said = f"A copy of the network in float32 is run, since {device} lacks operations in {dtype}."
        return shape, batch, asking, [said, *notes]
    for count in _BATCHES if declared is not None and batch is None else ():
        with suppress(ModelFailedError):
            return _first_that_answers(module, declared, frames, device, count, options)
    if declared is None:
        raise opened.no_size(str(first).strip().splitlines()[0] if str(first).strip() else type(first).__name__)
    with Model.running():
        raise first
    raise AssertionError


def _is_script(module: Any) -> bool:
    return any(base.__name__ == "ScriptModule" for base in type(module).__mro__)
