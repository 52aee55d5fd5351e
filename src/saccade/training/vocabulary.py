"""The embedded family's tokenizer: bytes, the words of the exam, and the markers of tiled pictures.

Any text has ids, since every byte has one. Codes and digits are spelt by character.
"""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from saccade.tasks.scenes import Scene

TILE_SIDE = 4
"""Rows and columns of tiles that have a marker."""
SPECIAL = (
    "<pad>",
    "<s>",
    "</s>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    *(f"<row_{row + 1}_col_{col + 1}>" for row in range(TILE_SIDE) for col in range(TILE_SIDE)),
)
"""In the order of their ids, from 0. Tile markers are spelt as Idefics3 spells them."""
PICTURES = 400
"""Pictures whose questions and gist answers give the merges: enough to meet every word."""


def exam_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer whose merges are the exam's words."""
    scenes = [Scene("train", index, 128) for index in range(PICTURES)]
    questions = [question for scene in scenes for question in scene.questions]
    words = [question.answers[0] for question in questions if question.scale == "gist"]
    return make_tokenizer([*(question.text for question in questions), *words])


def make_tokenizer(texts: Iterable[str], size: int = 448) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most ``size`` ids whose merges come from ``texts``."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(sorted(set(texts)), trainer)
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", SPECIAL.index("<s>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
