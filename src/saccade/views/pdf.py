"""PDF files: how large their pages are when drawn, and one page drawn.

Law     a page is as large as PDFium would draw it: its crop box, turned as the page says, times dpi / 72, each side
        rounded up.
Decides form fields are drawn filled in; user units (PDF 1.6) are not heeded, since PDFium does not know them.
Refuses files that are damaged, cut short, without pages or locked by a password, and pages of more pixels than a
        limit.
"""

import math
import os
import threading
from bisect import bisect_right
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.views.open import PIXEL_LIMIT

try:
    import pypdfium2 as pdfium
except ImportError as error:
    raise SaccadeError(f"reading PDF files needs pypdfium2 ({error}): pip install 'saccade[media]'") from error

_POINTS = 72
"""Points in an inch: PDF's unit of length."""
_TAIL = 4096
"""Bytes from the end in which readers look for the end's marks."""
# By PDFium's numbers (fpdfview.h, FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY); the others all come to damage.
_LOCKED = {
    4: "is locked by a password; save a copy without one",
    5: "is locked in a way that PDFium does not know; save a copy without protection",
}
# PDFium keeps state of its own: one thread at a time.
_LOCK = threading.Lock()


def page_sizes(path: Path, *, dpi: int, limit: int = PIXEL_LIMIT) -> list[Size]:
    """Each page's size in pixels at ``dpi``, in the order of pages."""
    with _document(path) as document:
        return [_size(document, path, number, dpi, limit) for number in range(1, len(document) + 1)]


def draw_page(path: Path, number: int, *, dpi: int, limit: int = PIXEL_LIMIT) -> Image.Image:
    """Page ``number``, from 1, drawn in RGB."""
    with _document(path) as document:
        if not 1 <= number <= len(document):
            raise SaccadeError(f"{path} has pages 1 to {len(document)}, page {number} was asked for")
        _size(document, path, number, dpi, limit)
        if document.get_formtype() == pdfium.raw.FORMTYPE_ACRO_FORM:
            document.init_forms()
        scale = dpi / _POINTS  # declared as whole by mistake of its default
        bitmap = document[number - 1].render(scale=scale)  # pyright: ignore[reportArgumentType]
        return bitmap.to_pil().convert("RGB")


@contextmanager
def _document(path: Path) -> Generator[pdfium.PdfDocument, None, None]:
    """The open file, which has pages."""
    _check_end(path)
    with _LOCK:
        # Not by the wrapper's own opening: of a document without pages it tells the error of another, earlier one.
        handle = pdfium.raw.FPDF_LoadDocument(os.fsencode(path) + b"\0", None)
        if not handle:
            why = _LOCKED.get(pdfium.raw.FPDF_GetLastError(), "is damaged; get the whole file again")
            raise SaccadeError(f"{path} {why}")
        with pdfium.PdfDocument(handle) as document:
            if len(document) == 0:
                raise SaccadeError(f"{path} has no pages, at least one is needed; get the whole file again")
            yield document


def _check_end(path: Path) -> None:
    """Refuse a file without its end: PDFium would gather what pages it finds and say nothing."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            tail = stream.read()
    except OSError as error:
        raise SaccadeError(f"{path} cannot be read ({error}); check its name and its permissions") from error
    if b"%%EOF" not in tail and b"startxref" not in tail:
        cure = "get the whole file again, or open it in a viewer and save it again"
        raise SaccadeError(f"{path} is cut short: nothing marks its end; {cure}")


def _size(document: pdfium.PdfDocument, path: Path, number: int, dpi: int, limit: int) -> Size:
    try:
        points = document.get_page_size(number - 1)
    except pdfium.PdfiumError as error:
        raise SaccadeError(f"{path}, page {number}, is damaged ({error}); get the whole file again") from error
    size = _drawn(points, dpi)
    if size.area > limit:
        fits = bisect_right(range(1, dpi), limit, key=lambda fewer: _drawn(points, fewer).area)
        cure = f"lower --dpi to {fits}" if fits else "no whole dpi is low enough: cut the page up"
        pixels = f"{size} = {size.area} pixels at {dpi} dpi"
        raise SaccadeError(f"{path}, page {number}, has {pixels}, the limit is {limit}; {cure}")
    return size


def _drawn(points: tuple[float, float], dpi: int) -> Size:
    """Pixels, rounded as ``PdfPage.render`` does."""
    width, height = (math.ceil(side * (dpi / _POINTS)) for side in points)
    return Size(width, height)
