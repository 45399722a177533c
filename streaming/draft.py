"""A message in the making: pieces go in, the whole comes out as a plain dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .pieces import Piece, ToolCallChunk


@dataclass(slots=True, eq=False)
class Draft:
    """What was said of a message so far."""

    texts: list[str] = field(default_factory=list[str])
    refusals: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: dict[int, list[ToolCallChunk]] = field(default_factory=dict[int, list[ToolCallChunk]])
    inputs: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """Inputs of calls that take a text instead of arguments."""
    annotations: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    items: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    usage: Mapping[str, int] | None = None

    def add(self, piece: Piece) -> None:
        """Take in the next piece."""
        self.texts.append(piece.text)
        if piece.refusal:
            self.refusals.append(piece.refusal)
        if piece.reasoning:
            self.thoughts.append(piece.reasoning)
        for call in piece.tool_calls:
            self.calls.setdefault(call["index"], []).append(call)
            if piece.free_input is not None:
                self.inputs.setdefault(call["index"], []).append(piece.free_input)
        self.annotations += piece.annotations
        self.items += piece.items
        self.usage = piece.usage or self.usage

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.texts)

    def parts(self) -> dict[str, Any]:
        """What a message has beside its role, id and name: always `content`; `tool_calls`,
        `refusal`, `reasoning_content`, `annotations`, `output_items` and `usage_metadata` if there
        are any."""
        made: dict[str, Any] = {
            "content": self.text,
            "tool_calls": [self._whole_call(index) for index in sorted(self.calls)],
            "refusal": "".join(self.refusals),
            "reasoning_content": "".join(self.thoughts),
            "annotations": list(self.annotations),
            "output_items": list(self.items),
            "usage_metadata": dict(self.usage or {}),
        }
        return {name: part for name, part in made.items() if part or name == "content"}

    def _whole_call(self, index: int) -> dict[str, Any]:
        """A call in OpenAI's form."""
        pieces = self.calls[index]
        name = _joined(piece["name"] for piece in pieces)
        call_id = next((piece["id"] for piece in pieces if piece["id"]), None)
        if index in self.inputs:
            custom = {"name": name, "input": "".join(self.inputs[index])}
            return {"id": call_id, "type": "custom", "custom": custom}
        function = {"name": name, "arguments": _joined(piece["args"] for piece in pieces)}
        return {"id": call_id, "type": "function", "function": function}


def _joined(texts: Iterable[str | None]) -> str:
    return "".join(text or "" for text in texts)
