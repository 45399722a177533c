"""Classes of libraries that may not be loaded: registered when they are, and not before."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from checkpoint import (
    MsgpackSerializer,
    TypeRegistry,
    UnknownTypeTagError,
    UnregisteredTypeError,
)

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "a_library_of_shapes"


class Circle:
    def __init__(self, radius: int) -> None:
        self.radius = radius


@pytest.fixture
def loaded() -> Iterator[Any]:
    """Loads the library; it is gone after the test."""
    yield lambda: sys.modules.setdefault(LIBRARY, ModuleType(LIBRARY))
    sys.modules.pop(LIBRARY, None)


def registry_and_calls() -> tuple[TypeRegistry, list[str]]:
    registry, calls = TypeRegistry(), list[str]()

    def register() -> None:
        calls.append(LIBRARY)
        registry.register(Circle, encode=lambda circle: circle.radius, decode=Circle)

    registry.when_loaded(LIBRARY, register)
    return registry, calls


def test_nothing_is_registered_while_the_library_is_not_loaded() -> None:
    registry, calls = registry_and_calls()
    with pytest.raises(UnregisteredTypeError, match="Circle"):
        MsgpackSerializer(registry).dumps(Circle(1))
    assert calls == []


def test_a_class_is_registered_when_it_is_first_written(loaded: Any) -> None:
    registry, calls = registry_and_calls()
    loaded()
    serializer = MsgpackSerializer(registry)
    data = [serializer.dumps(Circle(radius)) for radius in range(3)]
    assert [serializer.loads(each).radius for each in data] == [0, 1, 2]
    assert calls == [LIBRARY]


def test_a_name_is_registered_when_it_is_first_read(loaded: Any) -> None:
    loaded()
    data = MsgpackSerializer(registry_and_calls()[0]).dumps(Circle(4))
    registry, calls = registry_and_calls()
    assert MsgpackSerializer(registry).loads(data).radius == 4
    assert calls == [LIBRARY]


def test_stored_bytes_do_not_load_the_library(loaded: Any) -> None:
    loaded()
    data = MsgpackSerializer(registry_and_calls()[0]).dumps(Circle(4))
    del sys.modules[LIBRARY]
    registry, calls = registry_and_calls()
    with pytest.raises(UnknownTypeTagError, match="Circle"):
        MsgpackSerializer(registry).loads(data)
    assert calls == []


def test_what_was_refused_is_taken_once_the_library_is_loaded(loaded: Any) -> None:
    registry, _ = registry_and_calls()
    serializer = MsgpackSerializer(registry)
    with pytest.raises(UnregisteredTypeError):
        serializer.dumps(Circle(1))
    loaded()
    assert serializer.loads(serializer.dumps(Circle(1))).radius == 1


def test_what_registering_raises_comes_out_and_is_tried_again(loaded: Any) -> None:
    registry, tries = TypeRegistry(), list[int]()

    def register() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ImportError("shapes 0.9 is too old; install 1.0")
        registry.register(Circle, encode=lambda circle: circle.radius, decode=Circle)

    registry.when_loaded(LIBRARY, register)
    loaded()
    with pytest.raises(ImportError, match=r"install 1\.0"):
        registry.of_class(Circle)
    assert registry.of_class(Circle) is not None


def test_threads_that_come_at_once_all_find_the_class(loaded: Any) -> None:
    registry, _ = registry_and_calls()
    inside, found = threading.Barrier(4), list[Any]()

    def register() -> None:
        inside.wait()  # every thread is here before the first one registers
        registry.register(Circle, encode=lambda circle: circle.radius, decode=Circle)

    registry.when_loaded(LIBRARY, register)
    loaded()
    threads = [
        threading.Thread(target=lambda: found.append(registry.of_class(Circle))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.cls for each in found] == [Circle] * 4


def test_the_registry_of_the_process_waits_for_libraries_too(tmp_path: Path) -> None:
    script = """
import sys
from checkpoint import MsgpackSerializer, register_type, register_when_loaded

def register():
    from fractions_of import Part
    register_type(Part)

register_when_loaded("fractions_of", register)
sys.path.insert(0, sys.argv[1])
from fractions_of import Part

print(MsgpackSerializer().loads(MsgpackSerializer().dumps(Part(3))))
"""
    (tmp_path / "fractions_of.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Part:\n    of: int\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Part(of=3)\n", done.stderr
