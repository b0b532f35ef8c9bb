"""DICOM pictures (extra `dicom`): rescaled values, and the window in which people look at them; no patient data.

Only the elements that say how the pixels are stored are read; nothing else of the file is kept or repeated.
"""

from __future__ import annotations

import importlib.util
import io
import struct
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from picasso.core.errors import MissingExtraError, PictureError
from picasso.core.pictures.depth import CheckSize, Deep, stretched
from picasso.core.pictures.tiff import FRAMES

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_READ = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
    "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "PixelData",
]  # fmt: skip


def is_dicom(data: bytes) -> bool:
    """Say whether a file begins as DICOM files do."""
    return data[128:132] == b"DICM"


def read_dicom(data: bytes, check: CheckSize) -> Deep:
    """Read the first frame of a DICOM file.

    Args:
        data: The whole file.
        check: Called with width, height and channels before they are decoded.

    Returns:
        Grey: the values after the modality's rescale or lookup table, and pixels through the window. Color: RGB.

    Raises:
        MissingExtraError: pydicom is not installed.
        PictureError: It holds no picture, is too large, or is compressed in a way for which no decoder is there.
        ValueError: It is damaged.
    """
    if importlib.util.find_spec("pydicom") is None:
        raise MissingExtraError("DICOM pictures need pydicom.", "Run pip install 'picasso[dicom]'.")
    if _DEFLATED in data:
        raise PictureError("The DICOM file is deflated as a whole, which is not read.", "Save it uncompressed.")
    from pydicom import dcmread

    try:
        found = dcmread(io.BytesIO(data), specific_tags=_READ)
        if "PixelData" not in found or "Rows" not in found or "Columns" not in found:
            raise PictureError("The DICOM file holds no picture.", "Choose a file of an image modality.")
        samples = int(found.get("SamplesPerPixel", 1))
        if samples not in (1, 3):
            raise PictureError(f"The DICOM file has {samples} samples for each pixel; 1 and 3 are read.")
        check(int(found.Columns), int(found.Rows), samples)
        frame = _first_frame(found)
        notes = (FRAMES,) if int(found.get("NumberOfFrames", None) or 1) > 1 else ()
        deep = _color(found, frame) if samples == 3 or "PALETTE" in _kind(found) else _grey(found, frame)
    except (PictureError, MemoryError):
        raise
    except Exception as error:
        # What pydicom says may repeat a value of the file, and with it the patient's data.
        raise ValueError(type(error).__name__) from None
    return Deep(deep.values, notes + deep.notes, deep.pixels)


def _kind(found: Any) -> str:
    return str(found.get("PhotometricInterpretation", "MONOCHROME2")).upper()


def _first_frame(found: Any) -> NDArray[Any]:
    """Decode the first frame to (height, width, samples), color in RGB."""
    from pydicom.pixels import get_decoder, pixel_array

    syntax = found.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return _with_samples(pixel_array(found, index=0))
    if syntax == _RLE:
        return _run_lengths(found)
    try:
        ready = bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        ready = False
    if not ready:
        raise PictureError(
            f"The DICOM file is compressed with {syntax.name}, for which no decoder is installed.",
            "Save it uncompressed, or install pylibjpeg with its plug-ins.",
        )
    _check_inner(found)
    return _with_samples(pixel_array(found, index=0))


def _check_inner(found: Any) -> None:
    """Refuse a compressed frame that says it is larger than the file says, before it is decoded."""
    from pydicom.encaps import get_frame

    frames = int(found.get("NumberOfFrames", None) or 1)
    data = get_frame(found.PixelData, 0, number_of_frames=frames)
    with suppress(UnidentifiedImageError), Image.open(io.BytesIO(data), formats=("JPEG", "JPEG2000")) as inner:
        if inner.size != (int(found.Columns), int(found.Rows)):
            raise ValueError("the frame is not of the size that the file says")


def _with_samples(frame: NDArray[Any]) -> NDArray[Any]:
    return frame[..., None] if frame.ndim == 2 else frame


def _run_lengths(found: Any) -> NDArray[Any]:
    """Decode run lengths: one part for each byte of each sample, highest first; never more than the picture's bytes."""
    from imagecodecs import packbits_decode
    from pydicom.encaps import get_frame
    from pydicom.pixels.processing import convert_color_space

    frames = int(found.get("NumberOfFrames", None) or 1)
    data = get_frame(found.PixelData, 0, number_of_frames=frames)
    rows, columns, samples = int(found.Rows), int(found.Columns), int(found.get("SamplesPerPixel", 1))
    size = int(found.BitsAllocated) // 8
    count, *starts = struct.unpack_from("<16I", data)
    if count != samples * size:
        raise ValueError("the number of parts is wrong")
    ends = (*starts[1:count], len(data))
    parts = [
        np.frombuffer(packbits_decode(data[start:end], out=rows * columns), np.uint8)
        for start, end in zip(starts[:count], ends, strict=True)
    ]
    whole = np.stack(parts).reshape(samples, size, rows, columns)
    signed = "i" if int(found.get("PixelRepresentation", 0)) else "u"
    bands = np.ascontiguousarray(whole.transpose(2, 3, 0, 1)).view(f">{signed}{size}")[..., 0]
    bands = _sign_extended(bands.astype(f"{signed}{size}"), int(found.get("BitsStored", 8 * size)))
    return convert_color_space(bands, _kind(found), "RGB") if _kind(found).startswith("YBR") else bands


def _sign_extended(values: NDArray[Any], stored: int) -> NDArray[Any]:
    """Drop the bits above those that are stored, and keep the sign."""
    above = 8 * values.dtype.itemsize - stored
    return (values << above) >> above if above > 0 else values


def _color(found: Any, frame: NDArray[Any]) -> Deep:
    if "PALETTE" in _kind(found):
        from pydicom.pixels import apply_color_lut

        frame = apply_color_lut(frame[..., 0], found)[..., :3]
        return Deep(frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8))
    return Deep(frame)


def _grey(found: Any, frame: NDArray[Any]) -> Deep:
    from pydicom.pixels import apply_modality_lut

    values = np.asarray(apply_modality_lut(frame[..., 0], found), dtype=np.float32)
    slope, intercept = float(found.get("RescaleSlope", None) or 1), float(found.get("RescaleIntercept", None) or 0)
    notes = (
        [f"Values rescaled: {slope:g} times the stored ones, plus {intercept:g}."] if "RescaleSlope" in found else []
    )
    grey, note = _looked_at(found, values)
    notes.append(note)
    shape = str(found.get("PresentationLUTShape", "")).upper()
    if _kind(found) == "MONOCHROME1" or shape == "INVERSE":
        grey = 255 - grey
        notes.append("Its smallest value is white.")
    pixels = np.repeat(np.round(grey).astype(np.uint8)[..., None], 3, axis=2)
    return Deep(values[..., None], tuple(notes), pixels)


def _looked_at(found: Any, values: NDArray[np.float32]) -> tuple[NDArray[Any], str]:
    """Return grey in 0..255 as the file wants its values looked at, and what that was."""
    table = (found.get("VOILUTSequence", None) or [None])[0]
    if table is not None:
        from pydicom.pixels import apply_voi

        bits = int(table.LUTDescriptor[2])
        whole = np.round(values).astype(np.int32)
        shown = np.asarray(apply_voi(whole, found, index=0), np.float64) * (255.0 / (2**bits - 1))
        return np.clip(shown, 0, 255), "Shown through the file's own lookup table."
    center, width = _number(found.get("WindowCenter", None)), _number(found.get("WindowWidth", None))
    if center is None or width is None or width < 1:
        return stretched(values)
    how = str(found.get("VOILUTFunction", None) or "LINEAR").upper()
    note = f"Shown with window center {center:g} and width {width:g}."
    if how == "SIGMOID":
        return 255.0 / (1 + np.exp(np.clip(-4.0 * (values - center) / width, -80, 80))), note
    if how == "LINEAR_EXACT":
        share = (values - center) / width + 0.5
    else:  # the standard's own formula, in which the window's ends are whole values
        share = (values - (center - 0.5)) / max(width - 1, 1e-6) + 0.5
    return np.clip(share, 0, 1) * 255.0, note


def _number(value: Any) -> float | None:
    """Return an element's first number."""
    first = value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) and len(value) else value
    return float(first) if first not in (None, "") and not hasattr(first, "__getitem__") else None
