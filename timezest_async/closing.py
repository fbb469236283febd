"""Closing what holds connections or files: by ``async with``, and with the event loop at the latest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Self


class Closing(ABC):
    """What is closed at the end of an ``async with``."""

    @abstractmethod
    async def close(self) -> None:
        """Close it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def close_with_loop(close: Callable[[], Awaitable[object]]) -> AsyncGenerator[None, None]:
    """Have something closed when the running loop ends, at the latest.

    ``asyncio.run`` ends every asynchronous generator before it closes its loop: that is the last moment at
    which anything can be awaited.

    Args:
        close: Closes it.

    Returns:
        The guard, to be kept; its ``aclose()`` closes at once.
    """
    guard = _guard(close)
    await anext(guard)
    return guard


async def _guard(close: Callable[[], Awaitable[object]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close()
