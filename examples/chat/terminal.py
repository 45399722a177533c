"""The conversation in a terminal. Ctrl-C stops an answer, the thread keeps what is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from actors import StateSnapshot
from checkpoint import Saver, ThreadBusyError

from .answer import Message
from .endpoint import EndpointError
from .graph import Desk, chat_graph, question
from .screen import Screen, dim
from .steps import steps_of, table
from .threads import Directory

with contextlib.suppress(ImportError):
    import readline  # noqa: F401 - lets the user edit a line and call earlier ones back

HELP = """\
Ask anything about the documents. A short question leans on the one before it.
  /threads        the conversations in this database
  /thread NAME    go to a conversation, or begin a new one
  /history        what was said in this one
  /steps          the checkpoints of this one
  /resume         go on with an answer that was stopped
  /help           this text
  /quit           leave (so does Ctrl-D); everything is kept"""


class Terminal:
    """Reads questions and commands, shows answers as they come."""

    def __init__(self, saver: Saver, desk: Desk, thread: str) -> None:
        self._graph = chat_graph(saver)
        self._directory = Directory(saver)
        self._desk = desk
        self._thread = thread
        self._commands: dict[str, Callable[[str], None]] = {
            "/threads": self._show_threads,
            "/thread": self._enter,
            "/history": self._show_history,
            "/steps": self._show_steps,
            "/resume": self._resume,
            "/help": lambda _: print(HELP),
        }

    def run(self) -> None:
        """Talk until the user leaves."""
        self._enter(self._thread)
        while (line := _read(f"{self._thread}> ")) not in {None, "/quit", "/exit"}:
            word, _, rest = str(line).partition(" ")
            if not line:
                continue
            if not line.startswith("/"):
                self._ask(line)
            elif command := self._commands.get(word):
                command(rest.strip())
            else:
                print(f"There is no {word}; /help lists what there is.")

    # --- answers -----------------------------------------------------------------------------

    def _ask(self, text: str) -> None:
        self._directory.add(self._thread, text)
        self._run(question(text))

    def _resume(self, _: str) -> None:
        if self._state(self._thread).next:
            self._run(None)
        else:
            print("There is nothing to go on with: the last answer is complete.")

    def _run(self, given: dict[str, Any] | None) -> None:
        try:
            self._show(given)
        except KeyboardInterrupt:
            print(dim("\nstopped; /resume goes on with it, a new question leaves it"))
        except EndpointError as error:
            print(dim(f"\n{error}\n/resume tries again"))
        except ThreadBusyError as error:
            print(dim(str(error)))

    def _show(self, given: dict[str, Any] | None) -> None:
        stream = self._graph.stream(
            given,
            self._config(self._thread),
            context=self._desk,
            stream_mode=["custom", "updates"],
            on_busy="reject",  # another terminal has it
        )
        screen = Screen()
        for mode, chunk in stream:
            if mode == "custom":
                screen.say(chunk)
            elif "retrieve" in chunk:
                print(dim("reading " + ", ".join(chunk["retrieve"]["found"].paths)))
        screen.end()

    # --- threads -----------------------------------------------------------------------------

    def _enter(self, name: str) -> None:
        """Go to a conversation; offer to go on if it was stopped in the middle."""
        if not name:
            print("Give its name: /thread NAME")
            return
        self._thread = name
        state = self._state(name)
        asked = [message.text for message in _messages(state) if message.role == "user"]
        if asked:
            print(f"{len(asked)} asked so far, the last one: {asked[-1]}")
        if state.next:
            print(f"Its answer was stopped before: {', '.join(dict.fromkeys(state.next))}")
            if (_read("Go on with it? [Y/n] ") or "y").lower().startswith("y"):
                self._run(None)

    def _show_threads(self, _: str) -> None:
        for name, title in self._directory.titles().items():
            stopped = " (stopped in the middle)" if self._state(name).next else ""
            print(f"  {name:16} {title}{stopped}")

    def _show_history(self, _: str) -> None:
        state = self._state(self._thread)
        for message in _messages(state):
            print(f"{message.role}: {message.text}")

    def _show_steps(self, _: str) -> None:
        print(table(steps_of(self._graph.get_state_history(self._config(self._thread)))))

    def _state(self, name: str) -> StateSnapshot:
        return self._graph.get_state(self._config(name))

    def _config(self, name: str) -> dict[str, Any]:
        return {"configurable": {"thread_id": name}}


def _messages(state: StateSnapshot) -> list[Message]:
    return state.values.get("messages", [])


def _read(prompt: str) -> str | None:
    """A line of the user's; None when there will be no more."""
    while True:
        try:
            return input(prompt).strip()
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print(dim("\n/quit leaves"))
