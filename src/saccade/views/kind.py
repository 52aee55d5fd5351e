"""Picture, PDF or video: told by a file's first bytes, and by its name only where these say nothing."""

from enum import StrEnum
from pathlib import Path

from saccade.core.errors import SaccadeError


class FileKind(StrEnum):
    """What a file holds."""

    PICTURE = "picture"
    PDF = "PDF"
    VIDEO = "video"


_HEAD = 1024
"""Bytes read: a PDF's mark may stand anywhere in the first 1024 (ISO 32000-1, annex H, implementation note 13)."""

_PICTURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, either byte order, and its 64-bit kind
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"8BPS",  # Photoshop
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000, boxed and bare
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cJXL \r\n\x87\n",  # JPEG XL
)
_VIDEOS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel",  # Windows media
    b"OggS",
    b"\0\0\x01\xba",  # MPEG programme stream
    b"\0\0\x01\xb3",  # MPEG-1 and MPEG-2 pictures alone
    b"YUV4MPEG2 ",
)
_RIFF = {b"WEBP": FileKind.PICTURE, b"AVI ": FileKind.VIDEO}
# What a QuickTime file from before there were brands begins with.
_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# Where the packets of a transport stream begin, and how far they are apart: plain, and with time stamps.
_TRANSPORT = ((0, 188), (4, 192))

# No .ts or .mts: most files of these names are programs.
_NAMES = {
    FileKind.PICTURE: (
        "avif bmp dib gif heic heif ico j2k jfif jp2 jpe jpeg jpg jxl pbm pcx pgm png pnm ppm psd tga tif tiff webp"
    ),
    FileKind.PDF: "pdf",
    FileKind.VIDEO: "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg ogv webm wmv y4m",
}
_SUFFIXES = {f".{name}": kind for kind, names in _NAMES.items() for name in names.split()}


def kind_of(path: Path) -> FileKind | None:
    """What the file holds, or None where neither its bytes nor its name tell."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise SaccadeError(f"{path} cannot be read ({error}); check its name and its permissions") from error
    return _by_bytes(head) or _SUFFIXES.get(path.suffix.lower())


def _by_bytes(head: bytes) -> FileKind | None:
    if head.startswith(_PICTURES):
        return FileKind.PICTURE
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return FileKind.PICTURE if head[8:12] in _STILL_BRANDS else FileKind.VIDEO
    if b"%PDF-" in head:
        return FileKind.PDF
    if head.startswith(_VIDEOS) or head[4:8] in _ATOMS or _is_transport(head):
        return FileKind.VIDEO
    return None


def _is_transport(head: bytes) -> bool:
    return any(
        len(head) > first + 2 * step and all(head[first + i * step] == 0x47 for i in range(3))
        for first, step in _TRANSPORT
    )
