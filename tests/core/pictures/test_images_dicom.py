"""DICOM pictures, written by pydicom: rescaled values, windows, lookup tables, and no word about the patient."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from picasso.core.errors import MissingExtraError, PictureError
from picasso.core.pictures import dicom
from picasso.core.pictures.images import decode_picture

RNG = np.random.default_rng(8)
PATIENT = "Doe^Jane^Secret"


def made(array: np.ndarray, syntax: Any = ExplicitVRLittleEndian, **elements: Any) -> FileDataset:
    """A data set of one grey (h, w), color (h, w, 3) or several grey (n, h, w) pictures."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    found = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    color = array.ndim == 3 and array.shape[2] == 3
    found.PatientName, found.PatientID = PATIENT, "4711"
    found.SamplesPerPixel = 3 if color else 1
    found.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        found.PlanarConfiguration = 0
    found.Rows, found.Columns = array.shape[:2] if color or array.ndim == 2 else array.shape[1:]
    if array.ndim == 3 and not color:
        found.NumberOfFrames = len(array)
    bits = array.dtype.itemsize * 8
    found.BitsAllocated, found.BitsStored, found.HighBit = bits, bits, bits - 1
    found.PixelRepresentation = int(array.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    found.PixelData = array.astype(array.dtype.newbyteorder(order)).tobytes()
    found["PixelData"].VR = "OW" if bits > 8 else "OB"
    for name, value in elements.items():
        setattr(found, name, value)
    return found


def written(found: FileDataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, found, enforce_file_format=True)
    return buffer.getvalue()


SLICE = RNG.integers(-1024, 3000, (23, 31)).astype(np.int16)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
def test_stored_values_come_back_rescaled(syntax: Any, dtype: str) -> None:
    stored = SLICE.astype(dtype)
    if syntax == RLELossless:
        found = made(stored, RescaleSlope=2, RescaleIntercept=-1024)
        found.compress(RLELossless, generate_instance_uid=False)
    else:
        found = made(stored, syntax, RescaleSlope=2, RescaleIntercept=-1024)
    picture = decode_picture(written(found))
    assert picture.values is not None
    np.testing.assert_array_equal(picture.values[..., 0], stored.astype(np.float32) * 2 - 1024)
    assert picture.notes[0] == "Values rescaled: 2 times the stored ones, plus -1024."


def test_run_lengths_agree_with_pydicoms_own() -> None:
    color = RNG.integers(0, 4, (23, 31, 3)).astype(np.uint8) * 60
    found = made(color)
    found.compress(RLELossless, generate_instance_uid=False)
    data = written(found)
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(data)).pixel_array, color)
    picture = decode_picture(data)
    np.testing.assert_array_equal(picture.pixels, color)
    assert picture.values is None


def test_fewer_bits_stored_than_allocated() -> None:
    for kind, low, high in (("uint16", 0, 4096), ("int16", -2048, 2048)):
        stored = RNG.integers(low, high, (23, 31)).astype(kind)
        found = made(stored, BitsStored=12, HighBit=11)
        # What lies above the stored bits means nothing.
        found.PixelData = (stored.view(np.uint16) & 0x0FFF | 0x3000).astype("<u2").tobytes()
        plain = decode_picture(written(found))
        np.testing.assert_array_equal(plain.values[..., 0], stored)  # type: ignore[index]
        found.compress(RLELossless, generate_instance_uid=False)
        np.testing.assert_array_equal(decode_picture(written(found)).values, plain.values)


def test_the_window_of_the_standard() -> None:
    found = made(SLICE, WindowCenter=[40, 600], WindowWidth=[400, 1600])
    picture = decode_picture(written(found))
    # DICOM PS3.3 C.11.2.1.2.1, written down independently.
    wanted = np.zeros(SLICE.shape)
    for place, value in np.ndenumerate(SLICE):
        if value <= 40 - 0.5 - 399 / 2:
            wanted[place] = 0
        elif value > 40 - 0.5 + 399 / 2:
            wanted[place] = 255
        else:
            wanted[place] = ((value - (40 - 0.5)) / 399 + 0.5) * 255
    assert np.abs(picture.pixels[..., 0] - wanted).max() <= 0.5 + 1e-3
    assert picture.notes == ("Shown with window center 40 and width 400.",)


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_other_windows_agree_with_pydicom(function: str) -> None:
    found = made(SLICE, WindowCenter=40, WindowWidth=400, VOILUTFunction=function)
    grey = decode_picture(written(found)).pixels[..., 0].astype(float)
    wanted = pydicom.pixels.apply_windowing(SLICE, found).astype(float)
    wanted = (wanted + 32768) * 255 / 65535  # pydicom gives the range of the stored type
    assert np.abs(grey - wanted).max() <= 1


def test_without_a_window_the_values_are_stretched() -> None:
    picture = decode_picture(written(made(SLICE)))
    assert picture.notes[0].startswith("Reduced to 8 bits: ")
    assert picture.pixels.min() == 0
    assert picture.pixels.max() == 255


def test_monochrome1_is_shown_inverted_and_read_as_it_is() -> None:
    window = {"WindowCenter": 500, "WindowWidth": 1000}
    one = decode_picture(written(made(SLICE, PhotometricInterpretation="MONOCHROME1", **window)))
    two = decode_picture(written(made(SLICE, **window)))
    assert np.abs(255 - one.pixels.astype(int) - two.pixels).max() <= 1
    np.testing.assert_array_equal(one.values, two.values)
    assert "Its smallest value is white." in one.notes


def test_a_lookup_table_goes_before_a_window() -> None:
    stored = RNG.integers(0, 256, (23, 31)).astype(np.uint8)
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    curve = np.round(65535 * (np.arange(256) / 255) ** 2).astype(np.uint16)
    table.LUTData = curve.tolist()
    table["LUTData"].VR = "US"
    table["LUTDescriptor"].VR = "US"
    found = made(stored, VOILUTSequence=[table], WindowCenter=1, WindowWidth=2)
    picture = decode_picture(written(found))
    assert np.abs(picture.pixels[..., 0] - curve[stored] / 257.0).max() <= 0.51
    assert "Shown through the file's own lookup table." in picture.notes


def test_color() -> None:
    color = RNG.integers(0, 256, (23, 31, 3)).astype(np.uint8)
    picture = decode_picture(written(made(color)))
    np.testing.assert_array_equal(picture.pixels, color)
    assert picture.values is None
    planes = made(color, PlanarConfiguration=1)
    planes.PixelData = np.ascontiguousarray(color.transpose(2, 0, 1)).tobytes() + b"\0"
    np.testing.assert_array_equal(decode_picture(written(planes)).pixels, color)
    full = decode_picture(written(made(color, PhotometricInterpretation="YBR_FULL")))
    wanted = pydicom.pixels.convert_color_space(color, "YBR_FULL", "RGB")
    np.testing.assert_array_equal(full.pixels, wanted)


def test_several_frames() -> None:
    frames = RNG.integers(0, 1000, (4, 23, 31)).astype(np.uint16)
    picture = decode_picture(written(made(frames)))
    np.testing.assert_array_equal(picture.values[..., 0], frames[0])  # type: ignore[index]
    assert picture.notes[0] == "It holds several frames; the first is used."


def test_jpeg_inside() -> None:
    from PIL import Image

    smooth = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=100)
    found = made(smooth, JPEGBaseline8Bit)
    found.PixelData = encapsulate([buffer.getvalue()])
    found["PixelData"].VR = "OB"
    found["PixelData"].is_undefined_length = True
    assert np.abs(decode_picture(written(found)).values[..., 0] - smooth).max() <= 3  # type: ignore[index]


def test_a_frame_larger_than_the_file_says_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (4000, 3000)).save(buffer, "JPEG")
    found = made(np.zeros((8, 8), np.uint8), JPEGBaseline8Bit)
    found.PixelData = encapsulate([buffer.getvalue()])
    found["PixelData"].is_undefined_length = True
    data = written(found)
    monkeypatch.setattr(pydicom.pixels, "pixel_array", None)
    with pytest.raises(PictureError, match=r"could not be decoded \(ValueError\)"):
        decode_picture(data)


@pytest.mark.parametrize(("syntax", "name"), [(JPEGLSLossless, "JPEG-LS Lossless"), (MPEG2MPML, "MPEG2 Main Profile")])
def test_a_decoder_that_is_absent_is_named(syntax: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.pixels.decoders.base.Decoder, "is_available", False)
    found = made(SLICE, ExplicitVRLittleEndian)
    found.file_meta.TransferSyntaxUID = syntax
    found.PixelData = encapsulate([b"\xff\xd8 no picture \xff\xd9"])
    found["PixelData"].is_undefined_length = True
    with pytest.raises(PictureError, match=rf"is compressed with {name}.*for which no decoder is installed\. Save it"):
        decode_picture(written(found))


# --- what is refused, and what is never said ----------------------------------------------------------------------


def test_nothing_of_the_patient_is_kept_or_said(caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    good = written(made(SLICE))
    broken = [good[:600], written(made(SLICE, Rows=500))]
    broken.append(good.replace(b"RescaleSlope", PATIENT[:12].encode()))
    texts = [repr(decode_picture(good))]
    for data in broken:
        with contextlib.suppress(PictureError):
            texts.append(repr(decode_picture(data, "scan")))
            continue
        with pytest.raises(PictureError) as error:
            decode_picture(data, "scan")
        texts.append(str(error.value))
    with caplog.at_level(logging.DEBUG, "pydicom"):
        decode_picture(good)
    out = capfd.readouterr()
    assert "Doe" not in " ".join([*texts, caplog.text, out.out, out.err])
    assert "4711" not in " ".join([*texts, caplog.text, out.out, out.err])


def test_a_report_without_a_picture() -> None:
    found = made(SLICE)
    del found.PixelData
    with pytest.raises(PictureError, match=r"holds no picture\. Choose a file of an image modality"):
        decode_picture(written(found))


def test_bombs_and_lies_are_refused_fast() -> None:
    lies = [
        (made(SLICE, Rows=60_000, Columns=60_000), "at most 80 million are read"),
        (made(SLICE, Rows=8000, Columns=8000), "is damaged"),
        (made(SLICE, SamplesPerPixel=4), "4 samples"),
        (made(SLICE, Rows=0), "has no pixels"),
        (made(SLICE, NumberOfFrames=10**6), "is damaged"),
        (made(SLICE, DeflatedExplicitVRLittleEndian), "deflated as a whole"),
    ]
    for found, said in lies:
        data = written(found)
        started = time.process_time()
        with pytest.raises(PictureError, match=said):
            decode_picture(data)
        assert time.process_time() - started < 1


def test_run_lengths_give_no_more_than_the_picture() -> None:
    part = b"\x81\x00" * 5_000_000  # 128 zeros each: 640 MB
    head = np.zeros(16, "<u4")
    head[:2] = 1, 64
    found = made(np.zeros((8, 8), np.uint8), ExplicitVRLittleEndian)
    found.file_meta.TransferSyntaxUID = RLELossless
    found.PixelData = encapsulate([head.tobytes() + part])
    found["PixelData"].is_undefined_length = True
    data = written(found)
    started = time.process_time()
    with contextlib.suppress(PictureError):
        assert not decode_picture(data).pixels.any()
    assert time.process_time() - started < 2


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(made(SLICE))
    monkeypatch.setattr(dicom.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"DICOM pictures need pydicom\. Run pip install 'picasso\[dicom\]'\."):
        decode_picture(data)


VALID = [
    written(made(SLICE[:6, :7], WindowCenter=40, WindowWidth=400)),
    written(made(SLICE[:6, :7], ImplicitVRLittleEndian)),
]


@given(st.sampled_from(range(len(VALID))), st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_files(which: int, data: st.DataObject) -> None:
    mutated = bytearray(VALID[which])
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(132, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del mutated[data.draw(st.integers(0, len(mutated))) :]
    started = time.process_time()
    with contextlib.suppress(PictureError):
        assert decode_picture(bytes(mutated)).pixels.shape[2] == 3
    assert time.process_time() - started < 3
