"""PDF and video files made for tests, and real ones where they lie beside the repository."""

import struct
from pathlib import Path

import av
import pytest
from PIL import Image

DATA = Path(__file__).parents[3] / "shared" / "data"


def needs(folder: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"the {folder} are not here")


def page(box: str, rest: str = "") -> str:
    return f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]{rest}>>"


def pdf(path: Path, *pages: str, trailer: str = "") -> Path:
    """A PDF whose objects from the third on are ``pages``."""
    kids = " ".join(f"{number} 0 R" for number in range(3, len(pages) + 3))
    things = ("<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>", *pages)
    text, table = "%PDF-1.4\n", "0000000000 65535 f \n"
    for number, thing in enumerate(things, start=1):
        table += f"{len(text):010} 00000 n \n"
        text += f"{number} 0 obj{thing}endobj\n"
    start, count = len(text), len(things) + 1
    text += f"xref\n0 {count}\n{table}trailer<</Size {count}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n"
    path.write_text(text, encoding="latin-1")
    return path


def locked(version: int) -> str:
    """A trailer's part that asks for a password, by encryption of this version."""
    key = "00" * 32
    return f"/ID[<00><00>]/Encrypt<</Filter/Standard/V {version}/R 2/O<{key}>/U<{key}>/P -4>>"


def corners(width: int = 64, height: int = 32) -> Image.Image:
    """Red over green on the left, blue over white on the right."""
    small = Image.new("RGB", (2, 2))
    for place, colour in (((0, 0), "red"), ((1, 0), "blue"), ((0, 1), "lime"), ((1, 1), "white")):
        small.paste(colour, (*place, place[0] + 1, place[1] + 1))
    return small.resize((width, height), Image.Resampling.NEAREST)


def video(
    path: Path, frames: int = 20, *, rate: int = 10, codec: str = "mpeg4", gop: int = 12, flags: str = "",
    image: Image.Image | None = None, stamps: list[int] | None = None,
) -> Path:  # fmt: skip
    """A video of one still; ``stamps`` are the frames' times in milliseconds."""
    image = image or corners()
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        stream = container.add_stream(codec, rate=1000 if stamps else rate)
        stream.width, stream.height = image.size
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        for number in range(frames):
            frame = av.VideoFrame.from_image(image)
            frame.pts = stamps[number] if stamps else None
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def noise(width: int = 128, height: int = 96) -> Image.Image:
    """What does not pack well, so that files have a middle to cut through."""
    return Image.effect_noise((width, height), 80).convert("RGB")


def patched(path: Path, mark: bytes, offset: int, body: bytes) -> Path:
    """The file with ``body`` written ``offset`` bytes behind the only place where ``mark`` stands."""
    whole = path.read_bytes()
    assert whole.count(mark) == 1
    place = whole.index(mark) + len(mark) + offset
    path.write_bytes(whole[:place] + body + whole[place + len(body) :])
    return path


def turned(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """The MP4 with this matrix in its track header (ISO 14496-12 §8.3.2)."""
    values = (a, b, 0, c, d, 0, 0, 0, 16384)
    return patched(path, b"tkhd", 40, struct.pack(">9i", *(round(value * 65536) for value in values)))


def sound(path: Path, cover: Image.Image | None = None) -> Path:
    """An MP4 with a tone of silence, and a cover where one is given."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        if cover is not None:
            shown = container.add_stream("mjpeg")
            shown.width, shown.height = cover.size
            shown.pix_fmt = "yuvj420p"
            shown.disposition = av.stream.Disposition.attached_pic
            container.mux(shown.encode(av.VideoFrame.from_image(cover)) + shown.encode(None))
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = 8000, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame) + stream.encode(None))
    return path
