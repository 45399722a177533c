"""Runs the blocks of one chapter as a program; a block may await at its top level.

Reads `{"file": …, "blocks": [[line, source], …]}` from stdin, and writes what each block printed
to stdout as a JSON list.  An error ends the program with a traceback of the document's lines.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import sys
import types


def main() -> None:
    chapter = json.load(sys.stdin)
    # Schemas are looked up in the module they were written in, so the blocks get a real one.
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    printed: list[str] = []
    with asyncio.Runner() as runner:
        for line, source in chapter["blocks"]:
            code = compile(
                "\n" * (line - 1) + source,
                chapter["file"],
                "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                dont_inherit=True,
            )
            block = types.FunctionType(code, vars(module))
            with contextlib.redirect_stdout(io.StringIO()) as out:
                if code.co_flags & inspect.CO_COROUTINE:
                    runner.run(block())
                else:
                    block()
            printed.append(out.getvalue())
    json.dump(printed, sys.stdout)


main()
