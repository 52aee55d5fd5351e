"""The one place where pictures are opened: a file, bytes or a Pillow picture to an upright 8-bit RGB picture.

Law     whatever comes in, an RGB picture goes out, turned as its EXIF orientation says, without metadata, so that
        opening it again changes nothing.
Decides transparency lies on white; 16-bit greys are scaled to 8 bits, not clipped; CMYK and other colour spaces are
        converted without colour profiles; a file of several frames or pages gives its first.
Refuses files that are missing, unreadable, not pictures, damaged, cut short, without pixels, or of more pixels than
        a limit, which is checked on the header before anything is unpacked.
"""

import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from saccade.core.errors import SaccadeError

PIXEL_LIMIT = 178_956_970
"""Half a GiB of RGB: more pixels than this are taken for an attack unless the caller says otherwise."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise on damaged data.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
    AssertionError, struct.error, zlib.error,
)  # fmt: skip
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Pillow's pixel limit and Python's warning filters belong to the whole process: one thread at a time.
_LOCK = threading.Lock()


def open_picture(
    source: str | os.PathLike[str] | bytes | Image.Image | np.ndarray, *, limit: int = PIXEL_LIMIT
) -> Image.Image:
    """The picture, upright, RGB. Raises SaccadeError with the file's name, the numbers and the cure.

    ``source`` is a path, a file's bytes, a Pillow picture (of several frames the one it stands at), or an array of
    8-bit pixels (rows, columns, and grey, RGB or RGBA channels); ``limit`` is in pixels.
    """
    if limit < 1:
        raise SaccadeError(f"the pixel limit must be at least 1, got {limit}")
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "the given picture")
        return _convert(source, name, limit)
    if isinstance(source, bytes):
        return _decode(BytesIO(source), "the given run of bytes", limit)
    if isinstance(source, np.ndarray):
        return _convert(_from_array(source), "the given array", limit)
    if not isinstance(source, str | os.PathLike):
        raise SaccadeError(
            f"an image is a path, bytes, a Pillow image or an array of 8-bit pixels, got a {type(source).__name__}"
        )
    with _stream(source) as stream:
        return _decode(stream, str(source), limit)


def _from_array(pixels: np.ndarray) -> Image.Image:
    """Rows, columns and channels as a picture."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise SaccadeError(
            f"the given array is {pixels.dtype} of shape {pixels.shape}, expected uint8 (0 to 255) of shape "
            "(rows, columns), or (rows, columns, 1, 3 or 4)"
        )
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels)


def _stream(path: str | os.PathLike[str]) -> BufferedReader:
    """The file, open for reading."""
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise SaccadeError(f"{path}: there is no such file; check the path (now in {Path.cwd()})") from error
    except IsADirectoryError as error:
        raise SaccadeError(f"{path} is a folder, not a picture; name a file in it") from error
    except (OSError, ValueError, TypeError) as error:
        raise SaccadeError(f"{path} cannot be read ({error}); check its name and its permissions") from error


def _decode(stream: BufferedReader | BytesIO, name: str, limit: int) -> Image.Image:
    """Read the header, then the picture."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    with _refusals(name, limit):
        try:
            image = Image.open(stream)
        except UnidentifiedImageError as error:
            what = f"{name} ({size} bytes) is not a picture that can be read, or it has no pixels"
            raise SaccadeError(f"{what}; save it as PNG, JPEG or WebP") from error
    with image:
        return _convert(image, name, limit)


def _convert(image: Image.Image, name: str, limit: int) -> Image.Image:
    """Check the size, unpack, change to RGB, turn upright."""
    if image.width < 1 or image.height < 1:
        raise SaccadeError(f"{name} has no pixels: {image.width}×{image.height}; at least 1×1 is needed")
    if image.width * image.height > limit:
        raise SaccadeError(_too_large(name, f"{image.width}×{image.height} = {image.width * image.height}", limit))
    with _refusals(name, limit):
        image.load()
        orientation = _orientation(image)
        rgb = _to_rgb(image, name)
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    clean = Image.new("RGB", rgb.size)  # pixels only: EXIF left in place would turn the picture again
    clean.paste(rgb)
    return clean


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (as stored) where the EXIF block is damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:
        return 1


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _grey16(image, name)
    if image.mode == "F":
        raise SaccadeError(f"{name} holds 32-bit fractions, and which of them is white is unknown; save it in 8 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image.convert("RGB")


def _grey16(image: Image.Image, name: str) -> Image.Image:
    """Greys of 16 bits, also where Pillow keeps them in 32: 65535 is white."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise SaccadeError(f"{name} holds greys from {low} to {high}, expected 0 to 65535; save it in 8 or 16 bits")
    table = ((np.arange(65536) * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(table[values]).convert("RGB")


def _too_large(name: str, pixels: str, limit: int) -> str:
    return f"{name} has {pixels} pixels, the limit is {limit}; make it smaller or pass a higher limit"


@contextmanager
def _refusals(name: str, limit: int) -> Generator[None, None, None]:
    """Pillow with our limit and without its warnings; its errors become ours."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, limit
        try:
            yield
        except SaccadeError:
            raise
        except _BOMB as error:
            pixels = next(iter(re.findall(r"\d+", str(error))), "too many")  # Pillow tells it in words only
            raise SaccadeError(_too_large(name, pixels, limit)) from error
        except _DAMAGE as error:
            raise SaccadeError(f"{name} is damaged or cut short ({error}); get the whole file again") from error
        finally:
            Image.MAX_IMAGE_PIXELS = before
