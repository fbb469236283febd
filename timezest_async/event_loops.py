"""Ending with its event loop what belongs to it, where nobody closes it sooner."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable


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
