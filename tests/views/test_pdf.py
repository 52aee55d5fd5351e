"""PDF pages: as large as PDFium draws them, and refused where they are not whole."""

import math
import threading
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.views import pdf as reader
from saccade.views.open import PIXEL_LIMIT
from saccade.views.pdf import draw_page, page_sizes
from tests.views.files import DATA, corners, locked, needs, page, pdf


def sizes(path: Path, dpi: int = 144) -> list[tuple[int, int]]:
    return [(size.width, size.height) for size in page_sizes(path, dpi=dpi)]


@pytest.mark.parametrize(
    ("box", "rest", "dpi", "size"),
    [
        ("0 0 595 842", "", 144, (1190, 1684)),
        ("0 0 595.276 841.89", "", 144, (1191, 1684)),  # rounded up, each side
        ("0 0 595 842", "", 72, (595, 842)),
        ("0 0 595 842", "", 100, (827, 1170)),
        ("0 0 100.2 50", "/Rotate 90", 144, (100, 201)),
        ("0 0 100.2 50", "/Rotate 180", 144, (201, 100)),
        ("0 0 100 50", "/Rotate -90", 144, (100, 200)),
        ("0 0 100 50", "/CropBox[10 10 30 40]", 144, (40, 60)),
        ("-20 -10 80 40", "", 72, (100, 50)),
        ("0 0 100 50", "/UserUnit 2", 72, (100, 50)),  # PDFium's limit
        ("0 0 0.1 0.1", "", 72, (1, 1)),
    ],
)
def test_size_is_the_drawn_ones(tmp_path: Path, box: str, rest: str, dpi: int, size: tuple[int, int]):
    path = pdf(tmp_path / "a.pdf", page(box, rest))
    assert sizes(path, dpi) == [size]
    drawn = draw_page(path, 1, dpi=dpi)
    assert (drawn.size, drawn.mode) == (size, "RGB")


@pytest.mark.parametrize("dpi", [1, 37, 72, 96, 144, 150, 299])
def test_every_page_as_pdfium_draws_it(tmp_path: Path, dpi: int):
    boxes = [f"0 0 {7 + 13.37 * i:.3f} {90 - 7.91 * i:.3f}" for i in range(10)]
    path = pdf(tmp_path / "many.pdf", *(page(box, f"/Rotate {90 * i}") for i, box in enumerate(boxes)))
    with pdfium.PdfDocument(path) as document:
        expected = [(drawn.width, drawn.height) for drawn in (leaf.render(scale=dpi / 72) for leaf in document)]
    assert sizes(path, dpi) == expected


def test_pictures_saved_as_pages(tmp_path: Path):
    path = tmp_path / "scan.pdf"
    corners(60, 40).save(path, save_all=True, append_images=[corners(30, 80)], resolution=72, quality=95)
    assert sizes(path, 72) == [(60, 40), (30, 80)]
    first, second = (draw_page(path, number, dpi=72) for number in (1, 2))
    assert (first.size, second.size) == ((60, 40), (30, 80))
    red, green, blue = first.getpixel((5, 5))
    assert red > 200
    assert max(green, blue) < 60


def test_form_fields_are_drawn(tmp_path: Path):
    look = "<</Type/XObject/Subtype/Form/BBox[0 0 40 40]/Length 20>>stream\n1 0 0 rg 0 0 40 40 re f\nendstream"
    look = look.replace("/Length 20", f"/Length {len('1 0 0 rg 0 0 40 40 re f')}")
    field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/F 4/Rect[0 0 40 40]/AP<</N 5 0 R>>>>"
    path = pdf(tmp_path / "form.pdf", page("0 0 40 40", "/Annots[4 0 R]"), field, look)
    text = path.read_text().replace("/Kids[3 0 R 4 0 R 5 0 R]/Count 3", "/Kids[3 0 R]/Count 1")
    path.write_text(text.replace("/Type/Catalog", "/Type/Catalog/AcroForm<</Fields[4 0 R]>>"))
    assert draw_page(path, 1, dpi=72).getpixel((20, 20)) == (255, 0, 0)


@pytest.mark.parametrize("version", [1, 9])
def test_locked_by_a_password(tmp_path: Path, version: int):
    path = pdf(tmp_path / "secret.pdf", page("0 0 9 9"), trailer=locked(version))
    with pytest.raises(SaccadeError, match=r"secret\.pdf is locked by a password; save a copy without one"):
        page_sizes(path, dpi=144)
    with pytest.raises(SaccadeError, match=r"secret\.pdf is locked by a password"):
        draw_page(path, 1, dpi=144)


def test_locked_otherwise(tmp_path: Path):
    path = pdf(tmp_path / "odd.pdf", page("0 0 9 9"), trailer=locked(1).replace("/Standard", "/Unheard"))
    with pytest.raises(SaccadeError, match=r"odd\.pdf is locked in a way that PDFium does not know; save a copy"):
        page_sizes(path, dpi=144)


def test_no_pages(tmp_path: Path):
    path = pdf(tmp_path / "empty.pdf")
    secret = pdf(tmp_path / "secret.pdf", page("0 0 9 9"), trailer=locked(1))
    with pytest.raises(SaccadeError, match="password"):  # PDFium keeps its last error
        page_sizes(secret, dpi=144)
    with pytest.raises(SaccadeError, match=r"empty\.pdf has no pages, at least one is needed; get the whole file"):
        page_sizes(path, dpi=144)


def test_damaged(tmp_path: Path):
    path = tmp_path / "bad.pdf"
    path.write_bytes(b"%PDF-1.4\nnothing to speak of\n%%EOF")
    with pytest.raises(SaccadeError, match=r"bad\.pdf is damaged; get the whole file again"):
        page_sizes(path, dpi=144)
    path = pdf(tmp_path / "hole.pdf", page("0 0 9 9"), "null")
    with pytest.raises(SaccadeError, match=r"hole\.pdf, page 2, is damaged \(.*\); get the whole file again"):
        page_sizes(path, dpi=144)
    assert draw_page(path, 1, dpi=144).size == (18, 18)


def test_cut_short(tmp_path: Path):
    path = pdf(tmp_path / "cut.pdf", *[page("0 0 99 99")] * 200)
    whole = path.read_bytes()
    # A linearized file has a trailer in front too: of its rest PDFium would gather the pages that it finds.
    front = b"%PDF-1.4\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n" + whole[len("%PDF-1.4\n") :]
    for part in (0.3, 0.6, 0.9):
        for data in (whole, front):
            path.write_bytes(data[: int(len(whole) * part)])
            with pytest.raises(
                SaccadeError, match=r"cut\.pdf is cut short: nothing marks its end; get the whole .* again"
            ):
                page_sizes(path, dpi=144)
    # Padded, as some senders do, or without the last line.
    for data in (whole + b"\0" * 3000, whole.removesuffix(b"%%EOF\n")):
        path.write_bytes(data)
        assert len(page_sizes(path, dpi=144)) == 200


def test_too_large(tmp_path: Path):
    path = pdf(tmp_path / "poster.pdf", page("0 0 9 9"), page("0 0 14400 7200"))
    match = rf"poster\.pdf, page 2, has 28800×14400 = 414720000 pixels at 144 dpi, the limit is {PIXEL_LIMIT}; lower"
    with pytest.raises(SaccadeError, match=match) as refusal:
        page_sizes(path, dpi=144)
    with pytest.raises(SaccadeError, match=match):
        draw_page(path, 2, dpi=144)
    fits = int(str(refusal.value).rpartition(" ")[2])
    assert page_sizes(path, dpi=fits)[1].area <= PIXEL_LIMIT  # the cure cures
    assert (
        math.ceil(14400 * (fits + 1) / 72) * math.ceil(7200 * (fits + 1) / 72) > PIXEL_LIMIT
    )  # by no more than needed
    with pytest.raises(SaccadeError, match=r"18×18 = 324 pixels at 144 dpi, the limit is 323; lower --dpi to 136"):
        page_sizes(path, dpi=144, limit=323)
    small = pdf(tmp_path / "small.pdf", page("0 0 9 9"))
    assert page_sizes(small, dpi=136, limit=323) == [Size(17, 17)]
    assert page_sizes(small, dpi=144, limit=324) == [Size(18, 18)]
    with pytest.raises(SaccadeError, match=r"19×19 = 361 pixels at 145 dpi, the limit is 324; lower --dpi to 144"):
        page_sizes(small, dpi=145, limit=324)
    with pytest.raises(SaccadeError, match="no whole dpi is low enough: cut the page up"):
        page_sizes(pdf(path, page("0 0 9000000 9000000")), dpi=144)


def test_no_such_page(tmp_path: Path):
    path = pdf(tmp_path / "a.pdf", page("0 0 9 9"), page("0 0 9 9"))
    for number in (0, 3):
        with pytest.raises(SaccadeError, match=rf"a\.pdf has pages 1 to 2, page {number} was asked for"):
            draw_page(path, number, dpi=144)


def test_gone(tmp_path: Path):
    with pytest.raises(SaccadeError, match=r"gone\.pdf cannot be read \(.*No such file.*\); check its name"):
        page_sizes(tmp_path / "gone.pdf", dpi=144)


def test_names_that_mean_something_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("~x.pdf", "a:b.pdf", "é ü.pdf"):
        assert sizes(pdf(Path(name), page("0 0 9 9"))) == [(18, 18)]


def test_threads_take_turns(tmp_path: Path):
    path = pdf(tmp_path / "a.pdf", *[page("0 0 99 50")] * 20)
    found: list[Size] = []
    threads = [threading.Thread(target=lambda: found.extend(page_sizes(path, dpi=72))) for _ in range(8)]
    with reader._LOCK:
        for thread in threads:
            thread.start()
        threads[0].join(0.2)
        assert found == []
    for thread in threads:
        thread.join()
    assert found == [Size(99, 50)] * 160


@needs("pdf")
def test_real_files():
    for path in sorted((DATA / "pdf").glob("*.pdf")):
        if "password" in path.name:
            with pytest.raises(SaccadeError, match="password"):
                page_sizes(path, dpi=144)
            continue
        with pdfium.PdfDocument(path) as document:
            expected = [(drawn.width, drawn.height) for drawn in (leaf.render(scale=2) for leaf in document)]
        assert sizes(path) == expected, path


@needs("pdf")
def test_real_rotated_pages():
    path = DATA / "pdf" / "015-arabic__habibi-rotated.pdf"
    assert sorted(set(sizes(path))) == [(1191, 1684), (1684, 1191)]
    drawn = draw_page(path, 1, dpi=20)
    assert isinstance(drawn, Image.Image)
    assert drawn.size == sizes(path, 20)[0]
