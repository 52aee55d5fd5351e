"""Splice: visual tokens take the places that placeholders hold in the embedded prompt.

Law     one placeholder a visual token; counted and checked before anything is written.
Used by LLaVA and every reader that concatenates.
Source  arXiv:2304.08485; the check is ours: silent surplus or shortage corrupts an answer unseen.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from saccade.core.errors import SaccadeError


def splice(
    text: Float[Tensor, "batch length width"],
    visual: Float[Tensor, "tokens width"],
    places: Bool[Tensor, "batch length"],
) -> Float[Tensor, "batch length width"]:
    """A copy of ``text`` whose vectors at ``places``, in reading order over the batch, are ``visual``.

    Raises SaccadeError when the counts differ.
    """
    wanted = int(places.sum())
    if wanted != len(visual):
        raise SaccadeError(
            f"fusion: the prompts hold {wanted} image slots but {len(visual)} visual tokens arrived; "
            "expand each placeholder by the count that the reader's plan gives"
        )
    rows, columns = places.nonzero(as_tuple=True)
    return text.index_put((rows, columns), visual.to(text.dtype)) if wanted else text
