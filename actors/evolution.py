"""What a thread stored under an older graph becomes under the graph of today; pure.

With its first checkpoint a thread stores what its state keys are (`spec.SCHEMA`), and again when
that has changed.  Loaded by a graph whose keys are others:

1. A key that is new is empty, as on a new thread.
2. A key that is gone stays stored, unread and unseen, and is there again when the key comes back.
3. A key with a migration that the thread has not been through goes through it; so does what
   finished tasks, or an input, have left for the step that comes.
4. A value that does not fit what its key is now is a KeyRetypedError.

Where control waits is seen to in `departed.py`.  Nothing of it is stored before a run, or an
update, stores something by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from .channels import LastValueAfterFinish, Topic
from .departed import CONTROL, rerouted_write
from .errors import KeyRetypedError, MigrationError
from .fitting import channel_text, fits, held_type, type_text
from .layout import Layout
from .migrations import Migration
from .spec import INPUT, MIGRATED, SCHEMA, Writes
from .values import Overwrite

Waiting = Sequence[Migration[Any, Any]]


class Evolution:
    """A loaded thread on its way to today's graph."""

    def __init__(self, layout: Layout, thread_id: str, stored: Any) -> None:
        self._layout = layout
        self._spec = layout.spec
        self._thread_id = thread_id
        self._known = isinstance(stored, dict)
        """False: the thread is older than descriptions of keys."""
        old: Mapping[str, Any] = stored if self._known else {}
        self._types: Mapping[str, str] = {**old.get("lost", {}), **old.get("types", {})}
        self._done: Sequence[str] = old.get("migrated", ())
        self.current: bool = stored == layout.schema.get()
        """True: the thread was stored by a graph of the same keys."""
        self.outdated: frozenset[str] = frozenset()
        """Channels that the next checkpoint is to hold anew."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the thread is to say of its keys from now on."""
        schema: dict[str, Any] = dict(self._layout.schema.get())
        today = self._layout.types
        if lost := {key: text for key, text in self._types.items() if key not in today}:
            schema["lost"] = lost
        if done := {*self._done, *schema.get("migrated", ())}:
            schema["migrated"] = sorted(done)
        return schema

    def values(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Channel values as today's graph has them.  Raises MigrationError, KeyRetypedError."""
        values = dict(stored)
        if not self.current:
            migrated = self._migrate(values)
            self.outdated = frozenset({SCHEMA, *migrated})
            if isinstance(values.get(INPUT), dict):
                values[INPUT] = dict(self._written(values[INPUT].items(), self._waiting()))
        for key in self._spec.state_keys:
            if key in values and not self._spec.channels[key].persisted:
                del values[key]  # not stored any more
            elif key in values and key not in self.outdated:
                self._check(key, values[key])
        return values

    def writes(self, kept: Writes) -> Writes:
        """What was kept of a task as today's graph has it.  Raises MigrationError."""
        done: Sequence[str] | None = next((v for name, v in kept if name == MIGRATED), None)
        plain = [write for write in kept if write[0] != MIGRATED]
        waiting = () if self.current and done is None else self._waiting(done)
        return [
            routed
            for name, value in self._written(plain, waiting)
            for routed in rerouted_write(name, value, self._spec.channels)
        ]

    def _waiting(self, done: Sequence[str] | None = None) -> Waiting:
        """Migrations that were not gone through, in the order given."""
        done = self._done if done is None else done
        return [each for each in self._layout.migrations if each.note not in done]

    def _migrate(self, values: dict[str, Any]) -> set[str]:
        """Migrate the values in place; gives the keys."""
        changed: set[str] = set()
        for each in self._waiting():
            source = each.key if each.was is None else each.was
            if source not in values or (each.was is not None and each.key in values):
                continue
            if fits(values[source], each.takes):
                made = self._call(each, values[source])
                typ = held_type(self._spec.channels[each.key])
                if not fits(made, typ):
                    wrong = f"gave {made!r:.80}, which is no {type_text(typ)}"
                    raise self._failed(each, wrong)
                values[each.key] = made
                changed.add(each.key)
        return changed

    def _written(self, writes: Iterable[tuple[str, Any]], waiting: Waiting) -> Writes:
        """Updates, migrated, without those of keys that are gone."""
        after: Writes = []
        for name, value in writes:
            key, made = name, value
            for each in waiting:
                if key == each.key and each.was is None:
                    made = self._update(each, made)
                elif key == each.was and key not in self._spec.channels:
                    key, made = each.key, self._update(each, made)
            if key in self._spec.channels or key.startswith(_NO_KEYS):
                after.append((key, made))
        return after

    def _update(self, migration: Migration[Any, Any], value: Any) -> Any:
        if isinstance(value, Overwrite):
            return Overwrite(self._update(migration, value.value))
        return self._call(migration, value) if fits(value, migration.takes) else value

    def _call(self, migration: Migration[Any, Any], value: Any) -> Any:
        try:
            return migration(value)
        except Exception as error:
            told = f"was given {value!r:.80} and raised {type(error).__name__}: {error}"
            raise self._failed(migration, told) from error

    def _failed(self, migration: Migration[Any, Any], told: str) -> MigrationError:
        return MigrationError(
            f"migration {migration.name!r} of key {migration.key!r} of thread {self._thread_id!r} "
            f"{told}; the thread is as it was: mend the function, then run the thread again",
            thread_id=self._thread_id,
            key=migration.key,
            function=migration.name,
        )

    def _check(self, key: str, value: Any) -> None:
        """A value must fit what its key is now, if that is another than it was."""
        channel, was = self._spec.channels[key], self._types.get(key)
        form = next((form for kind, form in _FORMS if isinstance(channel, kind)), None)
        retyped = self._known and was != self._layout.types[key]
        if (form is None or form(value)) and not (retyped and not fits(value, held_type(channel))):
            return
        before = f" (it was {was})" if was else ""
        raise KeyRetypedError(
            f"thread {self._thread_id!r} holds {value!r:.80} under key {key!r}{before}, which does "
            f"not fit what the key is now: {channel_text(channel)}. Give compile(migrations=[…]) a "
            f"function decorated with @migrate({key!r}) that makes the new value of the old one, "
            "or give the new key another name",
            thread_id=self._thread_id,
            key=key,
        )


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(cast("tuple[Any, ...]", value)) == 2


def _is_list(value: Any) -> bool:
    return type(value) is list


_FORMS = ((Topic, _is_list), (LastValueAfterFinish, _is_pair))
"""What such channels store has a form that values of others need not have."""
_NO_KEYS = ("__", *CONTROL)
"""How names begin under which no state keys are kept."""
