"""Conversations as a hosted model's chat template writes them, with pictures where its processor puts them."""

import json
from collections.abc import Sequence
from typing import Any, final

from transformers import PreTrainedModel

from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Conversation, Request, Tool, Turn, Watch, YesNo
from saccade.language.prompt import Prompt

CALL = "<tool_call>"
"""What opens a call in the templates whose calls are understood: JSON with a name and arguments, then the closing
marker.
"""


@final
class Prompts:
    """The text side of a ``processor``; ``visual`` is the id of a visual token."""

    def __init__(self, processor: Any, visual: int) -> None:  # noqa: ANN401 (the library's base class says nothing of what is taken here)
        self.tokenizer, self.visual = processor.tokenizer, visual
        self.place = str(processor.image_token)
        self.template: str | None = processor.chat_template or processor.tokenizer.chat_template
        if self.template is None:
            raise SaccadeError(
                f"{type(processor).__name__} has no chat template, so nobody knows how questions are put to this "
                "model; set its chat_template"
            )

    @property
    def tools(self) -> bool:
        """Whether the template tells the model of tools, and of calls that are understood here."""
        return self.template is not None and "tools" in self.template and CALL in self.template

    def decode(self, ids: list[int]) -> str:
        """What tokens say."""
        return str(self.tokenizer.decode(ids)).strip()

    def ends(self, model: PreTrainedModel) -> frozenset[int]:
        """The tokens that end an answer of ``model``."""
        named = None if model.generation_config is None else model.generation_config.eos_token_id
        named = self.tokenizer.eos_token_id if named is None else named
        return frozenset([named] if isinstance(named, int) else named or ())

    def texts(self, request: Request) -> list[str]:
        """The prompts of a request, a placeholder for each picture."""
        match request:
            case Ask(question=question) | YesNo(question=question):
                asked = [question]
            case Watch(questions=questions):
                asked = list(questions)
            case Conversation(turns=turns, tools=tools):
                return [self._written(turns, tools)]
            case _:
                raise TypeError(f"no model knows of {type(request).__name__}")
        return [self._written([Turn("user", question, request.sights)], ()) for question in asked]

    def prompt(self, text: str, spelt: Sequence[str]) -> Prompt:
        """The ids of ``text`` with its pictures ``spelt``. Raises SaccadeError where it has more or fewer places."""
        full = self.spelt(text, spelt)
        ids = tuple(self.tokenizer(full, add_special_tokens=self.adds(full))["input_ids"])
        made = Prompt(ids, tuple(id_ == self.visual for id_ in ids))
        written = sum(one.count(str(self.tokenizer.convert_ids_to_tokens(self.visual))) for one in spelt)
        if made.visual_tokens != written:
            raise SaccadeError(
                f"the prompt holds {made.visual_tokens} places of visual tokens but its pictures have {written}; take "
                "what stands for a picture out of the question"
            )
        return made

    def spelt(self, text: str, spelt: Sequence[str]) -> str:
        """``text`` with its placeholders replaced, in order."""
        pieces = text.split(self.place)
        if len(pieces) - 1 != len(spelt):
            raise SaccadeError(
                f"the chat template leaves {len(pieces) - 1} places for {len(spelt)} pictures; show as many as it "
                f"takes, in turns where it takes them, and keep {self.place} out of the text"
            )
        return "".join(piece for pair in zip(pieces, (*spelt, ""), strict=True) for piece in pair)

    def words(self, text: str, spelt: Sequence[str], question: str, words: str) -> range:
        """The places, in the prompt, of the tokens of ``words``, where they last stand in ``question``."""
        full = self.spelt(text, spelt)
        asked = question.strip()
        start, inside = full.rfind(asked), asked.rfind(words)
        if not words or start < 0 or inside < 0:
            raise SaccadeError(f"the words {words!r} are not in the question {question!r}; name words that are")
        made = self.tokenizer(full, add_special_tokens=self.adds(full))
        first = start + inside
        return range(made.char_to_token(first), made.char_to_token(first + len(words) - 1) + 1)

    def _written(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> str:
        """The conversation by the template, up to where the model's own turn begins."""
        told = [{"type": "function", "function": _function(tool)} for tool in tools]
        return str(
            self.tokenizer.apply_chat_template(
                [_message(turn) for turn in turns],
                tools=told or None,
                chat_template=self.template,
                add_generation_prompt=True,
                tokenize=False,
            )
        )

    def adds(self, text: str) -> bool:
        """Whether the tokenizer adds its own opening: not where the template wrote it already."""
        opening = self.tokenizer.bos_token
        return opening is None or not text.startswith(opening)


def _function(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}


def _message(turn: Turn) -> dict[str, object]:
    """A turn in the library's words: its pictures, then its text."""
    content = [*({"type": "image"} for _ in turn.sights), {"type": "text", "text": turn.text}]
    made: dict[str, object] = {"role": turn.role, "content": content}
    if turn.call is not None and turn.role == "assistant":
        function = {"name": turn.call.name, "arguments": json.loads(turn.call.arguments)}
        made["tool_calls"] = [{"type": "function", "id": turn.call.id, "function": function}]
    elif turn.call is not None:
        made |= {"name": turn.call.name, "tool_call_id": turn.call.id}
    return made
