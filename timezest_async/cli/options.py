"""Options that several commands have: an attrs class for each group of them, written down once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import Annotated, Any, Final, cast, get_origin

import attrs
import typer
from typer.core import TyperCommand

from timezest_async import ConfigurationError

_COMMAND_LINE: Final = "COMMANDLINE"


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options.

    A parameter whose type is an attrs class stands for the options that this class's fields describe, as
    ``Annotated[..., typer.Option(...)]``; the command is given an object of it. Other fields of the class
    keep their defaults.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if attrs.has(parameter.annotation):
            groups[name] = parameter.annotation
            parameters += map(_parameter, _options(parameter.annotation))
        else:
            parameters.append(parameter)

    @wraps(command)
    def run(*arguments: Any, **given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in _options(group)})
        command(*arguments, **given)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # inspect reads it
    return run


def _options(group: Any) -> list[attrs.Attribute[Any]]:
    attrs.resolve_types(group, include_extras=True)
    return [field for field in attrs.fields(group) if get_origin(field.type) is Annotated]


def _parameter(field: attrs.Attribute[Any]) -> inspect.Parameter:
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
    )


def given_options(context: typer.Context) -> set[str]:
    """Return the parameters that the command line gave, not the environment or a default."""
    return {
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == _COMMAND_LINE
    }


def refuse(names: Collection[str], why: str) -> None:
    """Refuse options that do not fit.

    Raises:
        ConfigurationError: There are some.
    """
    if names:
        options = ", ".join(
            "FILTER" if name == "filter" else f"--{name.replace('_', '-')}" for name in sorted(names)
        )
        raise ConfigurationError(f"{why}: leave out {options}")


class Command(TyperCommand):
    """A command whose options are taken without the white space around them, as pasted text has it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            ConfigurationError: An option's value is empty, as a variable's is that was not set.
        """
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for option in self.params:
            values: Any = given.get(option.name or "") if option.param_type_name == "option" else None
            if any(isinstance(value, str) and not value.strip() for value in _each(values)):
                name = max(option.opts, key=len)
                raise ConfigurationError(f"{name} is empty: give it a value, or leave it out")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Strip the options' values, then run the command."""
        given = given_options(ctx)
        for option in self.params:
            if option.param_type_name == "option" and option.name in given:
                ctx.params[option.name] = _stripped(ctx.params[option.name])
        return super().invoke(ctx)


def _each(value: Any) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]


def _stripped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_stripped(item) for item in cast("list[Any]", value)]
    # A secret is text too, and says itself what is wrong with it.
    return value.strip() if type(value) is str else value
