"""What paths hold: pictures, PDF pages and videos, each with the size that a model would be given.

Law     everything in the paths is found, in their order; a folder gives its files by name, one level deep; sizes are
        upright, as seen.
Decides what a file is by its content; in a folder hidden files and those of no known kind are passed over, anything
        else that cannot be read stops the search; a picture of several frames or pages is its first.
Refuses paths that lead nowhere, folders that hold nothing to look at, and whatever is damaged, cut short or too large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.units import DPI
from saccade.views.kind import FileKind, kind_of

Progress = Callable[[str, int, int], None]
"""Told a name, how many files are done, and of how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFile:
    """One picture, one PDF page or one video.

    ``name`` is for the reader: ``scan.pdf, page 3``. ``size`` is upright. ``frames`` and ``fps`` (frames per second
    on average, None where nothing tells) are a video's; ``page``, from 1, is a PDF's.
    """

    name: str
    size: Size
    frames: int | None = None
    fps: float | None = None
    path: Path
    page: int | None = None


def find(paths: Sequence[Path], *, dpi: int = DPI, progress: Progress | None = None) -> list[MediaFile]:
    """Everything in ``paths``, files or folders, with PDF pages as large as at ``dpi``.

    Each picture is unpacked whole and the end of each video looked for: a header says nothing of a missing rest.
    One after another: Pillow's limits are the process's own, so that ``open_picture`` lets one thread in at a time.
    """
    _check_dpi(dpi)
    if not paths:
        raise SaccadeError("no path was given, at least one is needed: a picture, a PDF, a video or a folder of them")
    files = [file for path in paths for file in _files(path)]
    found: list[MediaFile] = []
    for done, (path, kind) in enumerate(files, start=1):
        found += _read(path, kind, dpi)
        if progress is not None:
            progress("reading files", done, len(files))
    return found


def picture_of(found: MediaFile, *, dpi: int = DPI) -> Image.Image:
    """The picture, the page drawn at ``dpi``, or the video's first frame: upright, RGB."""
    _check_dpi(dpi)
    if found.page is not None:
        from saccade.views.pdf import draw_page

        return draw_page(found.path, found.page, dpi=dpi)
    if found.frames is not None:
        from saccade.views.video import first_frame

        return first_frame(found.path)
    from saccade.views.open import open_picture

    return open_picture(found.path)


def _check_dpi(dpi: int) -> None:
    if dpi < 1:
        raise SaccadeError(f"the dpi must be at least 1, got {dpi}; {DPI} is usual")


def _files(path: Path) -> Sequence[tuple[Path, FileKind | None]]:
    """The file, or the folder's files of known kinds."""
    try:
        if path.is_file():
            return [(path, kind_of(path))]
        if not path.is_dir():
            if path.exists():
                raise SaccadeError(f"{path} is neither a file nor a folder; name one of these")
            raise SaccadeError(f"{path}: there is no such file or folder; check the path (now in {Path.cwd()})")
        inside = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as error:
        raise SaccadeError(f"{path} cannot be read ({error}); check its name and its permissions") from error
    known = [(file, kind) for file in inside if (kind := kind_of(file))]
    if not known:
        what = f"{path} holds no picture, PDF or video among its {len(inside)} files"
        raise SaccadeError(f"{what}; folders in it are not searched: name them")
    return known


def _read(path: Path, kind: FileKind | None, dpi: int) -> list[MediaFile]:
    if kind is FileKind.PDF:
        from saccade.views.pdf import page_sizes

        sizes = page_sizes(path, dpi=dpi)
        return [
            MediaFile(name=f"{path}, page {n}", size=size, path=path, page=n) for n, size in enumerate(sizes, start=1)
        ]
    if kind is FileKind.VIDEO:
        from saccade.views.video import probe

        clip = probe(path)
        return [MediaFile(name=str(path), size=clip.size, frames=clip.frames, fps=clip.fps, path=path)]
    from saccade.views.open import open_picture

    try:
        picture = open_picture(path)
    except SaccadeError as error:
        if kind is not None:
            raise
        what = f"{path} ({path.stat().st_size} bytes) is no picture, PDF or video that can be read"
        raise SaccadeError(f"{what}; give a PNG, JPEG, WebP, PDF or MP4") from error
    return [MediaFile(name=str(path), size=Size(*picture.size), path=path)]
