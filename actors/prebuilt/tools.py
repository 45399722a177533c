"""Tools: plain typed functions, and what the node that runs tools knows of any kind of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol, cast, get_args, get_origin

from actors.errors import JsonSchemaUnavailableError
from actors.hints import function_of
from actors.runnables import in_worker
from actors.typed_dicts import modern

from .errors import ToolDefinitionError, ToolInvocationError
from .turns import FREE_INPUT, ToolCall
from .wants import Wants, hints_of, wants_of

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Usable(Protocol):
    """A tool of any kind, as the node that runs it sees it."""

    name: str
    return_direct: bool
    """Its result ends the agent's turn."""
    tells_events: bool
    """It says itself that it begins and ends."""
    wants: Wants
    """Parameters that no model fills in."""

    @property
    def given(self) -> Any:
        """The tool as its user knows it."""
        ...

    def schema(self) -> dict[str, Any]:
        """What a model is told of it, in the form of OpenAI's function tools."""
        ...

    async def use(self, call: ToolCall, values: Mapping[str, Any], config: Any) -> Any:
        """What it gives for a call, whose arguments are the model's; `values` are the others.

        Raises ToolInvocationError for arguments that it does not take, and what the tool raises.
        """
        ...


class Tool:
    """A function that a model may call: its name, docstring and annotations say how.

    A function that is given as a tool becomes one by itself; made by hand it can have another name
    or description, or end the agent's turn with its result (`return_direct`).  The function may be
    async; a sync one runs in a worker thread.  Arguments are validated by pydantic; the text that a
    model calls a free-form tool with is given to the only parameter.

    Raises ToolDefinitionError for what is no such function, and JsonSchemaUnavailableError where
    pydantic is not installed.

        def add(a: int, b: Annotated[int, "the other number"] = 1) -> int:
            "Add two numbers."
            return a + b

        Tool(add).schema()["function"]["parameters"]["required"]    # ["a"]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        return_direct: bool = False,
    ) -> None:
        check_function(function)
        self.function = function
        self.name = name or name_of(function)
        self.description = inspect.getdoc(function) or "" if description is None else description
        self.return_direct = return_direct
        self.tells_events = False
        parameters = inspect.signature(function).parameters
        hints = hints_of(function)
        self.wants: Wants = wants_of(
            hints, lambda each: parameters[each].default is not inspect.Parameter.empty
        )
        self._names = [
            name
            for name, parameter in parameters.items()
            if parameter.kind not in _VARIADIC and name not in self.wants
        ]
        self.arguments = _model(self.name, [(parameters[n], hints[n]) for n in self._names])
        """The pydantic model of the arguments that a model gives."""
        self._parameters = _json_schema(self.name, self.arguments)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    @property
    def given(self) -> Any:
        """This tool."""
        return self

    def schema(self) -> dict[str, Any]:
        """What a model is told of it: `{"type": "function", "function": {name, description,
        parameters}}`, parameters as a JSON Schema."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self._parameters,
        }
        return {"type": "function", "function": function}

    async def use(self, call: ToolCall, values: Mapping[str, Any], config: Any) -> Any:  # noqa: ARG002
        """What the function gives for a call.

        Raises ToolInvocationError for arguments that it does not take, and what it raises.
        """
        arguments = {**self._validated(call["args"]), **values}
        if inspect.iscoroutinefunction(_callable(self.function)):
            return await self.function(**arguments)
        result = await in_worker("tool", self.function, **arguments)
        return await result if inspect.isawaitable(result) else result

    def _validated(self, args: Any) -> dict[str, Any]:
        if not isinstance(args, dict):
            raise ToolInvocationError(self.name, args, "the arguments are no JSON object")
        whole = named_input(cast("dict[str, Any]", args), self._names)
        given = {name: whole[name] for name in self._names if name in whole}
        try:
            valid = self.arguments.model_validate(given)
        except ValueError as error:  # pydantic's ValidationError is one
            raise ToolInvocationError(self.name, args, flaws_of(error)) from error
        names = (name for name in self._names if f"p_{name}" in valid.model_fields_set)
        return {name: getattr(valid, f"p_{name}") for name in names}


def named_input(args: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The arguments, of which the text of a free-form call is that of the only parameter."""
    if [*args] == [FREE_INPUT] and len(names) == 1:
        return {names[0]: args[FREE_INPUT]}
    return args


def flaws_of(error: ValueError, hidden: Sequence[str] = ()) -> str:
    """A line for each argument that pydantic refused, but for those that no model gives."""
    flaws = [flaw for flaw in cast("Any", error).errors() if not set(flaw["loc"][:1]) & {*hidden}]
    return "\n".join(f"{'.'.join(map(str, flaw['loc']))}: {flaw['msg']}" for flaw in flaws)


def listed(tools: Any) -> list[Any]:
    """Tools as a list.  Raises ToolDefinitionError for one that is not in a list, or none."""
    is_one = isinstance(tools, str | Mapping) or hasattr(tools, "name")
    if is_one or not isinstance(tools, Iterable):
        raise ToolDefinitionError(
            f"tools={tools!r} is no list of tools: give a list, also of one tool or of none"
        )
    return list(cast("Iterable[Any]", tools))


def check_function(function: Any) -> None:
    """Raise ToolDefinitionError for what a model cannot call by its parameters' names."""
    if not callable(function):
        raise ToolDefinitionError(
            f"{function!r} cannot be a tool: it cannot be called. Give a function with annotated "
            "parameters, a Tool, or one of LangChain's tools"
        )
    call = _callable(function)
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise ToolDefinitionError(
            f"{function!r} cannot be a tool: it is a generator, whose yields nobody would take. "
            "Return the result; to stream on the way, call get_stream_writer()"
        )
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError as error:
        raise ToolDefinitionError(
            f"{function!r} cannot be a tool: nothing tells its parameters. Write a function "
            "around it that has them annotated"
        ) from error
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ToolDefinitionError(
                f"{function!r} cannot be a tool: it takes {parameter.name!r} by position only, and "
                "models give arguments by name. Leave out the `/`"
            )


def _callable(function: Any) -> Any:
    return function_of(function)


def name_of(function: Any) -> str:
    """What models call a function by.  Raises ToolDefinitionError if it has no name."""
    name = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise ToolDefinitionError(
            f"{function!r} has no name that a model could call it by: give Tool(function, name='…')"
        )
    return name


def _model(title: str, parameters: Sequence[tuple[inspect.Parameter, Any]]) -> Any:
    """A pydantic model of the arguments; its fields have a prefix, for any name is one there."""
    try:
        import pydantic
    except ImportError as error:
        raise JsonSchemaUnavailableError(
            f"Tool {title!r} is described to models, and its arguments are validated, by pydantic, "
            "which is not installed: pip install 'understudy[pydantic]'"
        ) from error
    fields: dict[str, Any] = {}
    for parameter, hint in parameters:
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        field: Any = pydantic.Field(
            default=default,
            alias=parameter.name,
            description=_said_of(hint),
        )
        fields[f"p_{parameter.name}"] = (modern(hint), field)
    config = pydantic.ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
    try:
        return pydantic.create_model(title, __config__=config, **fields)
    except Exception as error:
        raise _indescribable(title, error) from error


def _json_schema(title: str, model: Any) -> dict[str, Any]:
    try:
        schema = model.model_json_schema()
    except Exception as error:
        raise _indescribable(title, error) from error
    for named in (schema, *schema.setdefault("properties", {}).values()):
        named.pop("title", None)  # a name once more
    return schema


def _indescribable(title: str, error: Exception) -> ToolDefinitionError:
    return ToolDefinitionError(
        f"Tool {title!r} cannot be described: {str(error).partition(chr(10))[0]}. Annotate its "
        "parameters with types that JSON has, or that pydantic can validate"
    )


def _said_of(hint: Any) -> str | None:
    """The text beside the type, as in `Annotated[str, "a city"]`."""
    if get_origin(hint) is not Annotated:
        return None
    return next((mark for mark in get_args(hint)[1:] if isinstance(mark, str)), None)
