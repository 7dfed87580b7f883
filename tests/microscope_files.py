"""Small files as microscopes write them: ND2 of version 3 and LIF of version 2."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

# ND2: chunks by name, a map of them at the end; metadata are nested records

_MAGIC = 0x0ABECEDA
_AT = 24 + 4072  # where the pixels of a frame begin in its chunk


def _record(name: str, value: object) -> bytes:
    """Write a value as a record: its type, its name, itself."""
    if isinstance(value, Mapping):
        head = _head(11, name)
        content = b"".join(_record(key, each) for key, each in value.items())
        length = len(head) + 12 + len(content)
        return head + struct.pack("<IQ", len(value), length) + content + bytes(8 * len(value))
    if isinstance(value, bool):
        return _head(1, name) + struct.pack("B", value)
    if isinstance(value, int):
        return _head(3, name) + struct.pack("<I", value)
    if isinstance(value, float):
        return _head(6, name) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return _head(9, name) + struct.pack("<Q", len(value)) + value
    return _head(8, name) + f"{value}\0".encode("utf-16-le")


def _head(kind: int, name: str) -> bytes:
    return struct.pack("BB", kind, len(name) + 1) + f"{name}\0".encode("utf-16-le")


def _loop(sizes: Sequence[tuple[str, int]], names: Sequence[str], period: float) -> dict:
    """Nest the loops of an experiment."""
    (axis, n), *inner = sizes
    loop: dict = {}
    if axis == "T":
        period_ms = {"dStart": 0.0, "dPeriod": period, "dDuration": 0.0}
        loop = {"eType": 1, "uLoopPars": {"uiCount": n, **period_ms, "dAvgPeriodDiff": period}}
    elif axis == "P":
        points = {f"i{k:010}": {"dPosX": 1.0, "dPosY": 2.0, "dPosName": names[k]} for k in range(n)}
        loop = {"eType": 2, "uLoopPars": {"uiCount": n, "Points": points}}
    elif axis == "Z":
        loop = {"eType": 4, "uLoopPars": {"uiCount": n, "dZStep": 2.0, "dZLow": 0.0}}
    if inner:
        loop["ppNextLevelEx"] = {"i0000000000": _loop(inner, names, period)}
    return loop


def write_nd2(
    path: Path,
    truth: np.ndarray,
    loops: str,
    *,
    channels: Sequence[str] = ("DAPI",),
    positions: Sequence[str] = ("left", "right", "top"),
    size: float | None = 0.25,
    period: float = 500.0,
    packed: bool = False,
    lost: Sequence[int] = (),
    has_probes: bool = True,
    align: int = 1,
) -> Path:
    """Write an array with axes `loops` (of T, P, Z), c, y, x and, of colours, s.

    `align` is a number of bytes that rows are filled up to multiples of.
    """
    n_loops = len(loops)
    frames = truth.reshape(-1, *truth.shape[n_loops:])
    n_c, height, width = frames.shape[1:4]
    n_samples = frames.shape[4] if frames.ndim == 5 else 1
    item = truth.dtype.itemsize
    n_row = -(-width * n_c * n_samples * item // align) * align
    planes = {
        f"a{c}": {
            "sDescription": channels[c],
            "uiCompCount": n_samples,
            "uiColor": 255 << 8 * c,
            **({"pFluorescentProbe": {"m_sName": channels[c]}} if has_probes else {}),
        }
        for c in range(n_c)
    }
    chunks: dict[str, bytes] = {}
    for number, frame in enumerate(frames):
        rows = frame.reshape(n_c, height, width, n_samples).transpose(1, 2, 0, 3)
        pixels = b"".join(row.tobytes().ljust(n_row, b"\xff") for row in rows)
        data = struct.pack("<d", 0.0) + (zlib.compress(pixels) if packed else pixels)
        if number not in lost:
            chunks[f"ImageDataSeq|{number}!"] = data
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": n_row,
        "uiHeight": height,
        "uiComp": n_c * n_samples,
        "uiBpcInMemory": 8 * item,
        "uiBpcSignificant": 8 * item,
        "uiSequenceCount": len(frames),
        "eCompression": 0 if packed else 2,
    }
    picture = {
        "bCalibrated": size is not None,
        "dCalibration": size or 1.0,
        "sPicturePlanes": {"uiCount": n_c, "uiSampleCount": 1, "sPlaneNew": planes},
    }
    chunks["ImageAttributesLV!"] = _record("SLxImageAttributes", attributes)
    chunks["ImageMetadataSeqLV|0!"] = _record("SLxPictureMetadata", picture)
    if loops:
        experiment = _loop(list(zip(loops, truth.shape, strict=False)), positions, period)
        chunks["ImageMetadataLV!"] = _record("SLxExperiment", experiment)
    path.write_bytes(_with_map(chunks))
    return path


def _with_map(chunks: Mapping[str, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes, n_name: int) -> bytes:
        return struct.pack("<IIQ", _MAGIC, n_name, len(data)) + name.ljust(n_name, b"\0") + data

    content = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    listed = b""
    for name, data in chunks.items():
        n_name = _AT - 24 if name.startswith("ImageDataSeq") else 64
        listed += name.encode() + struct.pack("<QQ", len(content), len(data))
        content += chunk(name.encode(), data, n_name)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(content))
    return content + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed + end, 32)


# LIF: XML that says how far apart voxels lie in blocks of memory, then the blocks

_DIM_IDS = {"x": 1, "y": 2, "z": 3, "t": 4}


def lif_image(
    name: str,
    truth: np.ndarray,
    axes: str,
    *,
    sizes: Mapping[str, float] | None = None,
    tables: Sequence[str] = ("Green", "Red", "Blue"),
    dyes: Sequence[str] = (),
    row: int | None = None,
) -> tuple[str, bytes]:
    """Return the XML and the memory of an image; s are red, green and blue, stored turned.

    `sizes` are how far apart places are, in metres and seconds; `row` is a number of bytes that
    rows are filled up to.
    """
    if "s" in axes:
        truth = truth[..., ::-1]
    data = np.ascontiguousarray(truth)
    steps = dict(zip(axes, data.strides, strict=True))
    if row is not None:
        filled = np.zeros((*data.shape[:-2], row // data.shape[-1], data.shape[-1]), data.dtype)
        filled[..., : data.shape[-2], :] = data
        steps = dict(zip(axes, filled.strides, strict=True))
        data = filled
    number = dict(zip(axes, truth.shape, strict=True))
    inner = "s" if "s" in axes else "c" if "c" in axes else ""
    n_channels = number.get(inner, 1)
    channels = "".join(
        f'<ChannelDescription DataType="{int(truth.dtype.kind == "f")}" '
        f'ChannelTag="{3 - n if inner == "s" else 0}" Resolution="{8 * truth.dtype.itemsize}" '
        f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="{tables[n]}" '
        f'IsLUTInverted="0" BytesInc="{n * steps[inner] if inner else 0}" BitInc="0"/>'
        for n in range(n_channels)
    )
    dimensions = "".join(
        f'<DimensionDescription DimID="{_DIM_IDS[axis]}" NumberOfElements="{number[axis]}" '
        f'Origin="0" Length="{(sizes or {}).get(axis, 0) * (number[axis] - 1)}" '
        f'Unit="{"s" if axis == "t" else "m"}" BitInc="0" BytesInc="{steps[axis]}"/>'
        for axis in sorted(set(axes) - {"c", "s"}, key=lambda axis: steps[axis])
    )
    properties = "".join(
        f"<ChannelProperty><Key>DyeName</Key><Value>{dye}</Value></ChannelProperty>" for dye in dyes
    )
    xml = (
        f"<Element Name={quoteattr(name)}><Data><Image><ImageDescription><Channels>{channels}"
        f"</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>{properties}</Image>"
        f'</Data><Memory Size="{data.nbytes}" MemoryBlockID="MemBlock_{name}"/></Element>'
    )
    return xml, data.tobytes()


def write_lif(path: Path, images: Mapping[str, tuple[str, bytes]]) -> Path:
    """Write images by name, as `lif_image` returns them."""
    elements = "".join(xml for xml, _ in images.values())
    header = (
        '<LMSDataContainerHeader Version="2"><Element Name="project"><Data><Experiment/></Data>'
        f"<Children>{elements}</Children></Element></LMSDataContainerHeader>"
    )
    encoded = header.encode("utf-16-le")
    content = struct.pack("<IIBI", 0x70, len(encoded) + 5, 0x2A, len(header)) + encoded
    for name, (_, data) in images.items():
        block = f"MemBlock_{name}"
        sizes = 14 + 2 * len(block), 0x2A, len(data), 0x2A, len(block)
        content += struct.pack("<IIBQBI", 0x70, *sizes) + block.encode("utf-16-le") + data
    path.write_bytes(content)
    return path
