"""What clients do to threads, by name, with plain arguments and answers: so that a simulated
process and a real one, at the other end of a pipe, do the very same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors import ActorSystem, Command, CompiledGraph, StateSnapshot
from actors.errors import ActorsError, RunCancelledError, RunEndedError
from checkpoint import CheckpointError
from checkpoint.administration import Administration
from streaming import Gap
from tests.histories.threads import Thread
from tests.waiting import let_all_run

Tell = Callable[[Any], None]


@dataclass
class Told:
    """What an operation told while it was carried out, and how it ended."""

    lines: list[Any] = field(default_factory=list[Any])
    answer: Any = None
    error: str | None = None
    """The class of what it raised."""
    died: bool = False
    """The process died before the answer."""

    def end(self, how: str, what: Any) -> None:
        """It ended with an answer, or with an error."""
        if how == "error":
            self.error = what
        else:
            self.answer = what

    @property
    def run_id(self) -> str | None:
        """The run that it started."""
        return next((line[1] for line in self.lines if line[0] == "run"), None)

    @property
    def words(self) -> list[str]:
        """What nodes were seen to add to the log."""
        return [word for line in self.lines if line[0] == "saw" for word in line[1]]

    @property
    def asked(self) -> bool:
        """True if the question was seen."""
        return ["asked"] in self.lines


class Operations:
    """The operations, on what lives in one process."""

    def __init__(
        self, graph: CompiledGraph, saver: Administration, system: ActorSystem, tell: Tell
    ) -> None:
        self._graph = graph
        self._saver = saver
        self._system = system
        self._tell = tell

    async def do(self, name: str, arguments: dict[str, Any]) -> tuple[str, Any]:
        """Carry one out: ("answer", what it gave) or ("error", the class of what it raised)."""
        try:
            return "answer", await getattr(self, name)(**arguments)
        except (ActorsError, CheckpointError) as error:
            return "error", type(error).__name__

    async def run(self, thread: str, value: dict[str, str], durability: Any) -> None:
        """Run a thread, with an input, an answer or nothing, and read along to the end."""
        run = await self._start(thread, value, durability)
        async for chunk in run.stream("updates"):
            self._show(chunk.data)
        await run.result()

    async def run_and_cancel(
        self, thread: str, value: dict[str, str], action: Any, chunks: int, turns: int
    ) -> str:
        """Run a thread and cancel it after so many chunks and turns of the loop."""
        run = await self._start(thread, value, "async")
        async with run.stream("updates") as stream:
            while chunks > 0 and (chunk := await anext(stream, None)):
                self._show(chunk.data)
                chunks -= 1
        await let_all_run(turns)
        with contextlib.suppress(RunEndedError):
            await run.cancel(action=action)
        with contextlib.suppress(RunCancelledError):
            await run.result()
        return run.status

    async def run_and_leave(self, thread: str, value: dict[str, str], chunks: int) -> None:
        """Run a thread by `astream`, and leave the loop after so many chunks."""
        stream = self._graph.astream(_input(value), config(thread), stream_mode="updates")
        async with contextlib.aclosing(stream):
            async for chunk in stream:
                self._show(chunk)
                chunks -= 1
                if chunks == 0:
                    break

    async def join(self, thread: str, run_id: str) -> list[int]:
        """The ids of all events of a run, alive or not."""
        log = await self._system.find_log(self._graph, run_id, config(thread))
        ids: list[int] = []
        async with log.read() as events:
            while batch := await events.batch():
                assert not isinstance(batch, Gap)
                ids += [event.id for event in batch]
        return ids

    async def update(self, thread: str, word: str) -> None:
        """Update a thread's state."""
        await self._graph.aupdate_state(config(thread), {"log": [word]}, as_node="first")

    async def copy(self, source: str, target: str) -> None:
        """Copy a thread."""
        await self._saver.acopy_thread(source, target)

    async def delete(self, thread: str) -> None:
        """Delete a thread."""
        await self._saver.adelete_thread(thread)

    async def look(self, threads: list[str]) -> list[Any]:
        """What threads are like."""
        return [[*await self.state(each), await self.history(each)] for each in threads]

    async def state(self, thread: str) -> list[Any]:
        """A thread's log, the nodes to run, and whether it waits for an answer."""
        state = await self._graph.aget_state(config(thread))
        return [_log(state), state.next, bool(state.interrupts)]

    async def history(self, thread: str) -> list[Any]:
        """A thread's checkpoints, the oldest first."""
        history = [each async for each in self._graph.aget_state_history(config(thread))]
        return [[_log(each), each.next] for each in reversed(history) if _is_own(each)]

    async def invoke(self, thread: str, value: dict[str, str]) -> list[Any]:
        """Run a thread to where it pauses; its log, and whether it waits for an answer."""
        values = await self._graph.ainvoke(_input(value), config(thread))
        return [values["log"], "__interrupt__" in values]

    async def _start(self, thread: str, value: dict[str, str], durability: Any) -> Any:
        run = await self._system.start(
            self._graph, _input(value), config(thread), durability=durability
        )
        self._tell(["run", run.run_id])
        return run

    def _show(self, chunk: dict[str, Any]) -> None:
        for node, update in chunk.items():
            self._tell(["asked"] if node == "__interrupt__" else ["saw", update["log"]])


def thread_of(shown: list[Any]) -> Thread:
    """A thread as `look` shows it."""
    log, following, asked, past = shown
    points = tuple((tuple(each), tuple(nodes)) for each, nodes in past)
    return Thread(tuple(log), tuple(following), points, asked)


def config(thread: str) -> Any:
    """Names a thread."""
    return {"configurable": {"thread_id": thread}}


def _input(value: dict[str, str]) -> Any:
    if "answer" in value:
        return Command(resume=value["answer"])
    return {"log": [value["input"]]} if "input" in value else None


def _log(state: StateSnapshot) -> list[str]:
    return state.values.get("log", [])


def _is_own(state: StateSnapshot) -> bool:
    """False for the checkpoint of an input, which the next one always comes with."""
    return state.next != ("__start__",)
