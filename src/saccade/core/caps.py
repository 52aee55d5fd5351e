"""What a policy may ask of a model: capabilities, declared and checked before anything runs."""

from enum import Flag, auto

from saccade.core.errors import SaccadeError


class Cap(Flag):
    """One capability each, and any set of them."""

    GENERATE = auto()
    """Answers a question about one picture."""
    LOGPROBS = auto()
    """Says how likely each token of its answer was."""
    TOPK = auto()
    """Says how likely other tokens were in its place."""
    MULTI_IMAGE = auto()
    """Reads several pictures in one prompt."""
    INSTRUCT = auto()
    """Follows instructions that nobody trained it on one by one: yes or no, name what you need, give a box."""
    TOOLS = auto()
    """Calls functions that it is told of."""
    ENCODE = auto()
    """Hands out visual tokens."""
    KEEP = auto()
    """Reads some of them and not others."""
    POSITIONS = auto()
    """Leaves those it reads where they were."""
    RESIZE = auto()
    """Shows a picture at the largest size that takes at most so many visual tokens."""
    FORK = auto()
    """Reads a picture once for several questions."""
    KV_READ = auto()
    """Shows the values that its language model stored."""
    ATTN_LM = auto()
    """Shows where its language model attended."""
    ATTN_VIT = auto()
    """Shows where its tower attended."""
    LAYER_DROP = auto()
    """Drops visual tokens between layers of its language model."""
    HIDDEN = auto()
    """Shows hidden states."""
    GRAD = auto()
    """Passes gradients back to pixels."""
    TEXT_TOWER = auto()
    """Compares texts with places of a picture."""


def named(caps: Cap) -> str:
    """The names of a set, separated by commas."""
    return ", ".join(str(cap.name) for cap in caps)


def check(who: str, requires: Cap, model: str, caps: Cap) -> None:
    """Raises SaccadeError with the missing capabilities' names where ``who`` asks for what ``model`` cannot do."""
    missing = requires & ~caps
    if missing:
        raise SaccadeError(
            f"{who} needs {named(missing)}, which {model} has not (it has {named(caps) or 'none'}); take another "
            "policy or another model"
        )
