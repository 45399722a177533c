"""Graphs and other objects that files name: "file.py:name" or "package.module:name"."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import GraphLoadError


def load(target: str, base: Path | None = None) -> Any:
    """The object that "file.py:name" or "package.module:name" names.

    `base`: what a relative path is relative to (the working directory).  A file's own folder is
    put on the path, so that it may import its neighbours; a file in a package is imported as a
    part of it.  Raises GraphLoadError, which says in one line what is wrong and where.
    """
    place, name = split_target(target)
    module = _module(place, base or Path.cwd())
    try:
        return getattr(module, name)
    except AttributeError:
        raise GraphLoadError(_unnamed(place, name, module)) from None


def split_target(target: str) -> tuple[str, str]:
    """The two halves of "file.py:name".  Raises GraphLoadError."""
    place, _, name = target.rpartition(":")
    if not place or not name.isidentifier():
        raise GraphLoadError(
            f"{target!r} names no graph; write the file, a colon and the variable, as in "
            '"graph.py:graph"'
        )
    return place, name


def _module(place: str, base: Path) -> ModuleType:
    if not place.endswith(".py") and "/" not in place:
        return _imported(place, place)
    path = (base / place).resolve()
    if not path.is_file():
        raise GraphLoadError(f"{place} is not there; give the path of a Python file")
    root, dotted = _dotted(path)
    put_on_path(root)
    if _is_free_for(dotted, path):
        return _imported(dotted, place)
    return _executed(f"graph_{path.stem}", path, place)


def put_on_path(folder: Path) -> None:
    """Modules in the folder can be imported."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _dotted(path: Path) -> tuple[Path, str]:
    """The folder that has to be on the path, and the module's name seen from there."""
    folder, names = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if names[-1] == "__init__":
        names.pop()
    return folder, ".".join(names)


def _is_free_for(dotted: str, path: Path) -> bool:
    """True if importing the name gives this very file: not another module of the same name."""
    try:
        spec = importlib.util.find_spec(dotted)
    except (ImportError, ValueError, SyntaxError):
        return True  # a package above it cannot be imported: importing it will say why
    except Exception:  # noqa: BLE001 - a package's own code, which importing it will tell of
        return True
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path


def _imported(dotted: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(dotted)
    except BaseException as error:
        raise _failure(place, error) from error


def _executed(name: str, path: Path, place: str) -> ModuleType:
    """A file whose name another module has already."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise GraphLoadError(f"{place} is no Python file; give one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise _failure(place, error) from error
    return module


def _failure(place: str, error: BaseException) -> BaseException:
    """What the user is told when a file cannot be imported; an interrupt stays one."""
    if not isinstance(error, Exception | SystemExit):
        return error
    if isinstance(error, SyntaxError):
        where = f"{error.filename or place}, line {error.lineno}"
        return GraphLoadError(f"{where}: {error.msg}; mend it there")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename != __file__
    ]
    ours = [frame for frame in frames if "importlib" not in frame.filename]
    where = f"{ours[-1].filename}, line {ours[-1].lineno}" if ours else place
    return GraphLoadError(
        f"{place} cannot be imported: {type(error).__name__}: {_one_line(error)} ({where})"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _unnamed(place: str, name: str, module: ModuleType) -> str:
    public = [each for each, value in vars(module).items() if _could_be_graph(each, value)]
    known = f"; it has: {', '.join(public)}" if public else ""
    return f"{place} has no {name!r}{known}"


def _could_be_graph(name: str, value: Any) -> bool:
    return not name.startswith("_") and type(value).__module__.startswith("actors")
