"""Tools that no library traces, as spans of the task that runs them.

Their events are those that LangChain's tools have.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from actors.context import current

from .turns import ToolCall


async def shown(
    call: ToolCall, tags: Sequence[str], code: Callable[[], Coroutine[Any, Any, list[Any]]]
) -> list[Any]:
    """What the code gives, which answers the call; shown to those who asked for `events`.

    One answer is shown by itself, several as a list.  What the code raises is raised.
    """
    context = current()
    spans = None if context is None else context.spans
    if spans is None:
        return await code()
    asked = {"input": call["args"]}
    with spans.tool(call["name"], tags) as span:
        spans.show(span, "start", asked)
        try:
            outputs = await code()
        except Exception as error:
            spans.show(span, "error", {"error": error, **asked, "tool_call_id": call["id"]})
            raise
        output = outputs[0] if len(outputs) == 1 else outputs
        spans.show(span, "end", {"output": output, **asked})
    return outputs
