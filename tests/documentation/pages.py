"""Pages of the documentation, run from top to bottom as their readers would.

Blocks of a page share their names, like cells. ``python`` is run, with ``client`` as it is after
``async with TimeZestClient() as client``; of ``sh`` each line that is the ``timezest`` command; ``output`` is
compared with what the block before it printed. Other blocks are pictures of something.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

import timezest_async
from timezest_async.cli import main

ROOT = Path(__file__).parents[2]
ENDLESS = ("watch", "sandbox")
"""Sub-commands that go on until they are stopped; their options are checked elsewhere."""

_BLOCK = re.compile(r"^(`{3,})(\w+)\n(.*?)^\1", re.DOTALL | re.MULTILINE)


@attrs.frozen
class Block:
    """A fenced block: its language, and where it stands."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Read the blocks of a page that say their language."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[2], found[3], text.count("\n", 0, found.start()) + 2) for found in _BLOCK.finditer(text)
    ]


def commands(text: str) -> Iterator[list[str]]:
    """Give the ``timezest`` commands of a shell block, each with its arguments."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["timezest"] and words[1] not in ENDLESS:
            yield words[1:]


class Reader:
    """Somebody who types what a page says.

    Args:
        page: The page.
    """

    def __init__(self, page: Path) -> None:
        self.page = page
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self) -> None:
        """Run all blocks, in order."""
        printed = ""
        with asyncio.Runner() as runner, contextlib.ExitStack() as clients:
            for block in blocks(self.page):
                if (
                    "client" not in self.names or self.names["client"].closed
                ):  # by an `async with` of the page
                    self.names["client"] = client = timezest_async.TimeZestClient()
                    clients.callback(lambda client=client: runner.run(client.close()))
                where = f"{self.page.relative_to(ROOT)}:{block.line}"
                with _stdout() as shown:
                    if block.language == "python":
                        self._run_python(block, runner)
                    elif block.language == "sh":
                        self._run_commands(block, where)
                if block.language == "output":
                    assert printed.rstrip() == block.text.rstrip(), (where, printed)
                else:
                    printed = _text(shown)

    def _run_python(self, block: Block, runner: asyncio.Runner) -> None:
        source = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's line
        code = compile(source, str(self.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if not code.co_flags & inspect.CO_COROUTINE:
            exec(code, self.names)
        elif ".watch(" in block.text:
            runner.run(_for_a_moment(eval(code, self.names)))
        else:
            runner.run(eval(code, self.names))

    def _run_commands(self, block: Block, where: str) -> None:
        for words in commands(block.text):
            target = words.index(">") if ">" in words else None
            with _stdout() as shown, contextlib.redirect_stderr(io.StringIO()) as errors:
                status = main(words[:target])
            assert status == 0, f"{where}: {shlex.join(words)}: {errors.getvalue()}"
            if target is None:
                print(_text(shown), end="")  # noqa: T201 - what the block shows
            else:
                Path(words[target + 1]).write_text(_text(shown), encoding="utf-8")


@contextlib.contextmanager
def _stdout() -> Iterator[io.TextIOWrapper]:
    """Catch what is printed, bytes as well as text."""
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as shown:
        yield shown


def _text(shown: io.TextIOWrapper) -> str:
    shown.seek(0)
    return shown.read()


async def _for_a_moment(endless: Any) -> None:
    """Run what never ends until it has had its first look: it may fail, and may not end."""
    task = asyncio.ensure_future(endless)
    await asyncio.wait({task}, timeout=0.5)
    assert not task.done() or task.exception(), "what was to go on for ever has ended"
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait({task})
