"""The part of the report that shows pictures: the question, the answer, and a card for every reader."""

import base64
import io
from collections.abc import Sequence

from PIL import Image

from saccade.core.box import Box
from saccade.core.size import Size
from saccade.evaluation.shown import ShownImage, ShownLook
from saccade.report.markup import leaf, plain, tag
from saccade.report.overlays import LONGEST, canvas, figure, marked, resolution, sheets

ZOOM = 4.0
"""How much of the surroundings an enlarged place shows, in heights of the evidence."""


def gallery(shown: Sequence[ShownImage]) -> str:
    """A section per picture."""
    return "".join(_picture(place, item) for place, item in enumerate(shown))


def data_uri(image: Image.Image, size: Size) -> str:
    """The picture at ``size``, at most ``LONGEST`` px long, as a data URI; the smaller of PNG and JPEG."""
    small = image.convert("RGB").resize((size.width, size.height), Image.Resampling.BICUBIC)
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    written = []
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 88})):
        buffer = io.BytesIO()
        small.save(buffer, kind, **options)
        written.append((kind, buffer.getvalue()))
    kind, data = min(written, key=lambda pair: len(pair[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _picture(place: int, item: ShownImage) -> str:
    width, height = map(float, item.image.size)
    full, question = Size(*item.image.size), item.question
    pictures = _pictures(item, f"picture-{place}")
    anchor = pictures[full]
    whole = canvas(
        (width, height),
        f"picture {item.name}",
        leaf("use", href=f"#{anchor}"),
        marked(question.evidence, (width, height)),
    )
    right = sum(seen.right for seen in item.seen)
    counted = f"{right} of {len(item.seen)} right" if item.seen else "no reader was shown this picture"
    intro = tag(
        "div",
        tag(
            "p",
            plain(f"{item.name} · {item.image.width}×{item.image.height} px · {question.scale} · {question.kind}"),
            class_="quiet",
        ),
        tag("h3", plain(question.text)),
        tag("p", "Right answer: ", tag("b", plain(" or ".join(question.answers))), class_="truth"),
        tag("p", plain(_evidence(item)), class_="quiet"),
        tag("p", plain(counted), class_="quiet"),
    )
    head = tag("div", tag("figure", whole, class_="source"), _zoom(item, anchor), intro, class_="asked")
    cards = tag("div", *(_card(seen, pictures, item) for seen in item.seen), class_="cards")
    sources = [
        leaf("image", id=key, href=data_uri(item.image, size), width=width, height=height, preserveAspectRatio="none")
        for size, key in pictures.items()
    ]
    holder = tag("svg", tag("defs", *sources), width=0, height=0, class_="holder", aria_hidden="true")
    return tag("section", holder, head, cards, class_="picture")


def _pictures(item: ShownImage, name: str) -> dict[Size, str]:
    """Ids of the picture at every resolution at which some reader saw it; its own comes first."""
    sizes = [Size(*item.image.size)]
    sizes += [resolution(seen.layout, sheet) for seen in item.seen for sheet in sheets(seen.layout, seen.ledger)]
    return {size: f"{name}-{size.width}-{size.height}" for size in dict.fromkeys(sizes)}


def _evidence(item: ShownImage) -> str:
    question = item.question
    boxes = question.evidence
    if not boxes:
        return "Where the answer stands is not known."
    area = item.image.width * item.image.height
    if any(box.area >= 0.9 * area for box in boxes):
        return "The answer is in the whole picture."
    sizes = ", ".join(f"{box.width:.0f}×{box.height:.0f} px" for box in boxes)
    return f"The answer stands in the marked place of {sizes}."


def _zoom(item: ShownImage, anchor: str) -> str:
    """The evidence enlarged with its surroundings, where it is a small part of the picture."""
    width, height = map(float, item.image.size)
    boxes = item.question.evidence
    if len(boxes) != 1 or boxes[0].area > 0.1 * width * height:
        return ""
    x, y = boxes[0].center
    side = min(max(boxes[0].width, ZOOM * boxes[0].height), width, height)
    left, top = min(max(x - side / 2, 0), width - side), min(max(y - side / 2, 0), height - side)
    box = Box(left, top, left + side, top + side)
    drawing = canvas((width, height), "the marked place, enlarged", leaf("use", href=f"#{anchor}"), box=box)
    return tag("figure", drawing, tag("figcaption", "enlarged"), class_="zoom")


def _taken(seen: ShownLook) -> str:
    tokens = f"{seen.visual_tokens:,} tokens"
    return tokens if seen.slots is None else f"{tokens} · {seen.slots:,} slots"


def _card(seen: ShownLook, pictures: dict[Size, str], item: ShownImage) -> str:
    verdict = "right" if seen.right else "wrong"
    answer = plain(seen.answer) if seen.answer.strip() else tag("i", "no answer")
    head = tag(
        "header",
        tag("h4", plain(seen.reader)),
        tag("p", tag("span", _taken(seen)), class_="quiet"),
    )
    mark = tag("span", "✓" if seen.right else "✗", class_="sign", aria_hidden="true")
    said = tag("p", mark, tag("span", answer, class_="said"), tag("span", verdict, class_="verdict"), class_="answer")
    return tag("article", head, figure(seen, pictures, item.question.evidence), said, class_=f"card {verdict}")
