"""BLIP-2's first stage: contrast, match and generation as functions of scores and logits.

Source: arXiv:2301.12597, section 3.1; smoothing, the temperature that divides, and how negatives are drawn as in LAVIS.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

SMOOTHING = 0.1


def similarities(
    pictures: Float[Tensor, "pictures queries embed"], texts: Float[Tensor, "texts embed"]
) -> Float[Tensor, "pictures texts"]:
    """s[i, j] = max over queries q of ⟨picture i's q, text j⟩: the query that fits best speaks for its picture."""
    return torch.einsum("iqe,je->ijq", pictures, texts).amax(dim=-1)


def together(
    ids: Int[Tensor, "batch length"],
    real: Bool[Tensor, "batch length"],
    pictures: Int[Tensor, " batch"] | None = None,
) -> Bool[Tensor, "batch batch"]:
    """Which picture (row) and text (column) belong together: their own pair, equal captions, and pairs of one picture
    where ``pictures`` gives each its number.
    """
    words = torch.where(real, ids, -1)
    same = (words[:, None] == words).all(dim=-1)
    return same if pictures is None else same | (pictures[:, None] == pictures)


def contrastive(
    scores: Float[Tensor, "batch batch"], same: Bool[Tensor, "batch batch"] | None = None, smoothing: float = SMOOTHING
) -> Float[Tensor, ""]:
    """Image-text contrast over a batch: ½ [CE(scores, targets) + CE(scoresᵀ, targetsᵀ)].

    ``scores`` are similarities over the temperature. A row's target is 1 on its own pair, or shared out equally over
    all that are the ``same``, of which ``smoothing`` goes to all places alike.
    """
    same = torch.eye(len(scores), dtype=torch.bool, device=scores.device) if same is None else same
    losses = []
    for rows, hits in ((scores, same), (scores.mT, same.mT)):
        wanted = hits / hits.sum(dim=1, keepdim=True)
        losses.append(F.cross_entropy(rows, wanted.to(rows.dtype), label_smoothing=smoothing))
    return (losses[0] + losses[1]) / 2


@torch.no_grad()
def hard_negatives(
    scores: Float[Tensor, "batch batch"],
    same: Bool[Tensor, "batch batch"] | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "negatives 2"]:
    """Pairs (picture, text) that do not belong together though they seem to: for each text a picture drawn with
    probability softmax(its scores), then for each picture a text likewise. It is drawn where ``generator`` is.

    Never a pair of the ``same``, nor its own: those weights are 0. Who has no one else to be paired with gets no pair,
    so a batch of 1 has none.
    """
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    barred = own if same is None else own | same
    pairs = []
    for rows, out, order in ((scores.mT, barred.mT, [1, 0]), (scores, barred, [0, 1])):
        asking = (~out).any(dim=1).nonzero()[:, 0]
        weights = rows.float().masked_fill(out, -torch.inf)[asking].softmax(dim=1)
        chances = weights if generator is None else weights.to(generator.device)
        drawn = torch.multinomial(chances, 1, generator=generator)[:, 0].to(asking.device) if len(asking) else asking
        pairs.append(torch.stack([asking, drawn], dim=1)[:, order])
    return torch.cat(pairs)


def matching(logits: Float[Tensor, "pairs 2"], positives: int) -> Float[Tensor, ""]:
    """Image-text match: CE of two classes, 1 for the first ``positives`` pairs, 0 for the others."""
    labels = (torch.arange(len(logits), device=logits.device) < positives).long()
    return F.cross_entropy(logits, labels)


def generation(
    logits: Float[Tensor, "batch length words"],
    ids: Int[Tensor, "batch length"],
    real: Bool[Tensor, "batch length"],
    smoothing: float = SMOOTHING,
) -> Float[Tensor, ""]:
    """Image-grounded text: CE of every next token, ``logits`` of a position against the id behind it; the mean over
    ids that are ``real``.
    """
    wanted = ids[:, 1:].masked_fill(~real[:, 1:], -100)
    total = F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted.flatten(), label_smoothing=smoothing, reduction="sum")
    return total / real[:, 1:].sum().clamp_min(1)
