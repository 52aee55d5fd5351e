"""Video files: size, frames and frame rate as a reader of all frames would find them, and the first frame.

Law     size is that of the first decoded frame, turned as the file says; frames are those that play: the header's
        count where the header agrees with itself, else the packets counted.
Decides of several videos in a file FFmpeg's best is taken, cover pictures never; pixels count as they are stored,
        also where they are not square.
Refuses files that are damaged, cut short, without a moving picture, or of more pixels than a limit.
"""

import struct
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.views.open import PIXEL_LIMIT

try:
    import av
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.stream import Disposition
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
except ImportError as error:
    raise SaccadeError(f"reading video files needs av ({error}): pip install 'saccade[media]'") from error

# Files are read through Python, so that no name is taken for an address, and without protocols, so that no playlist
# leads elsewhere. As container options: av up to 17.0 crashes on FLV files when it is given any for streams.
_SAFELY = {"protocol_whitelist": ""}
_TURN = Image.Transpose
# The signs of a, b, c, d in a display matrix (ISO 14496-12 §6.2.2), which sends x, y to ax + cy, bx + dy.
_TURNS = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): _TURN.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): _TURN.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): _TURN.ROTATE_180,
    (0, 1, -1, 0): _TURN.ROTATE_270,
    (0, -1, 1, 0): _TURN.ROTATE_90,
    (0, 1, 1, 0): _TURN.TRANSPOSE,
    (0, -1, -1, 0): _TURN.TRANSVERSE,
    (0, 0, 0, 0): None,  # left empty
}
_SIDEWAYS = (_TURN.ROTATE_90, _TURN.ROTATE_270, _TURN.TRANSPOSE, _TURN.TRANSVERSE)
_AGREE = 0.02
"""How far a rate in a header may lie from the time stamps, which some containers round to milliseconds."""
_SLACK = 1.0
"""Seconds by which a Matroska header may promise more than there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoFile:
    """A video: its upright ``size``, its ``frames``, and frames per second on average, None where nothing tells."""

    size: Size
    frames: int
    fps: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Packets:
    """What the packets of a file tell: shown frames, the first and last frame's time, and when the last one ends."""

    frames: int
    first: float
    last: float
    end: float
    whole: bool

    @property
    def fps(self) -> float | None:
        return (self.frames - 1) / (self.last - self.first) if self.last > self.first else None


def probe(path: Path, *, limit: int = PIXEL_LIMIT) -> VideoFile:
    """What the file holds; its first frame is decoded and its end looked for."""
    with _opened(path) as (container, stream):
        frame, turn = _first(container, stream, path, limit)
        size = Size(frame.height, frame.width) if turn in _SIDEWAYS else Size(frame.width, frame.height)
        rate = float(stream.average_rate) if stream.average_rate else None
        frames = _header_count(stream)
        if frames:
            container.seek((stream.start_time or 0) + (stream.duration or 0), stream=stream)
            if not _packets(container, stream).whole:
                raise _cut(path, f"{frames} frames are promised and the last of them are missing")
            return VideoFile(size=size, frames=frames, fps=rate)
    with _opened(path) as (container, stream):  # from the start again
        seen = _packets(container, stream)
        if not seen.whole or _promised(container, stream) - seen.end > _SLACK:
            raise _cut(path, f"it ends after {seen.frames} frames")
    if rate is None or (seen.fps and abs(rate / seen.fps - 1) > _AGREE):
        rate = seen.fps
    return VideoFile(size=size, frames=seen.frames, fps=rate)


def first_frame(path: Path, *, limit: int = PIXEL_LIMIT) -> Image.Image:
    """The first frame, upright, RGB."""
    with _opened(path) as (container, stream):
        frame, turn = _first(container, stream, path, limit)
        image: Image.Image = frame.to_image()
    return image if turn is None else image.transpose(turn)


@contextmanager
def _opened(path: Path) -> Generator[tuple[InputContainer, VideoStream], None, None]:
    """The open file and its moving picture."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise SaccadeError(f"{path} cannot be read ({error}); check its name and its permissions") from error
    try:
        with file, av.open(file, "r", container_options=_SAFELY, metadata_errors="replace") as container:
            yield container, _moving(container, path)
    except (FFmpegError, OSError) as error:
        raise SaccadeError(f"{path} is damaged or cut short ({error.strerror}); get the whole file again") from error


def _moving(container: InputContainer, path: Path) -> VideoStream:
    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:
        kinds = sorted({"cover" if stream.type == "video" else stream.type for stream in container.streams})
        only = " and ".join(kinds) or "nothing"
        raise SaccadeError(f"{path} holds no moving picture, only {only}; give a file with one")
    best = container.streams.best("video")
    return next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])


def _first(
    container: InputContainer, stream: VideoStream, path: Path, limit: int
) -> tuple[VideoFrame, Image.Transpose | None]:
    """The first frame as stored, and how it is to be turned."""
    if stream.codec_context is None:
        raise SaccadeError(f"{path} is packed in a way that FFmpeg does not know; encode it as H.264")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limit:
        pixels = f"{width}×{height} = {width * height} pixels in a frame"
        raise SaccadeError(f"{path} has {pixels}, the limit is {limit}; make it smaller")
    frame = next(container.decode(stream), None)
    if frame is None:
        raise _cut(path, "it holds not one whole frame")
    return frame, _turn(frame, path)


def _turn(frame: VideoFrame, path: Path) -> Image.Transpose | None:
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    nil = max(map(abs, (a, b, c, d))) / 100  # cosines of right angles that were worked out
    a, b, c, d = ((number > nil) - (number < -nil) for number in (a, b, c, d))
    if (a, b, c, d) not in _TURNS:
        raise SaccadeError(f"{path} is to be shown slanted, and only quarter turns are known; encode it upright")
    return _TURNS[a, b, c, d]


def _promised(container: InputContainer, stream: VideoStream) -> float:
    """Seconds that the header speaks of, 0 where it is not to be believed: an AVI's duration is what is left of it, its
    count of frames is not.
    """
    if "matroska" in container.format.name:
        return (container.duration or 0) / av.time_base
    if container.format.name == "avi" and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    return 0.0


def _header_count(stream: VideoStream) -> int:
    """The header's count of frames, 0 where it has none or its duration and rate speak of another.

    The count of an MP4 in fragments may be that of the first, and the count of a trimmed one holds what was cut off.
    """
    if not (stream.frames and stream.duration and stream.time_base and stream.average_rate):
        return 0
    return stream.frames if abs(stream.duration * stream.time_base * stream.average_rate - stream.frames) < 1 else 0


def _packets(container: InputContainer, stream: VideoStream) -> _Packets:
    """Read on to the end."""
    frames, end, whole = 0, 0.0, False
    times: list[float] = []
    for packet in container.demux():
        if not packet.size:  # a stream's end, not a packet of the file
            continue
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index == stream.index:
            whole = not packet.is_corrupt  # of the last packet: a broadcast may be at fault in its midst
            if not packet.is_discard and _shown(stream, memoryview(packet)[0]):
                frames += 1
                times += [] if stamp is None else [float(stamp * packet.time_base)]
    first, last = (min(times), max(times)) if times else (0.0, 0.0)
    return _Packets(frames=frames, first=first, last=last, end=end, whole=whole)


def _shown(stream: VideoStream, first: int) -> bool:
    """Whether a packet with this first byte is a frame to see: VP8 has others, only referred to (RFC 6386 §9.1)."""
    return stream.codec_context.name != "vp8" or bool(first & 0x10)


def _cut(path: Path, why: str) -> SaccadeError:
    return SaccadeError(f"{path} is cut short: {why}; get the whole file again")
