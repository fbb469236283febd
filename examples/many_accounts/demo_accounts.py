"""Serve accounts to try it with: `python demo_accounts.py 12`, then what it prints, in another terminal.

Each account is a sandbox with some hundred requests and a key of its own, in this folder's `demo/`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from timezest_async.sandbox import Sandbox

FOLDER = Path(__file__).parent / "demo"


async def main(count: int) -> None:
    """Serve until Ctrl-C."""
    FOLDER.mkdir(exist_ok=True)
    lines: list[str] = []
    async with AsyncExitStack() as stack:
        for number in range(count):
            sandbox = Sandbox(api_key=f"key-{number}", records=100 + 50 * number, seed=number, latency=0.05)
            await stack.enter_async_context(sandbox)
            (FOLDER / f"demo-{number}.key").write_text(sandbox.api_key, encoding="utf-8")
            lines += [
                f"[accounts.demo-{number}]",
                f'key = "file:{FOLDER / f"demo-{number}.key"}"',
                f'base_url = "{sandbox.base_url}"',
                "",
            ]
        (FOLDER / "accounts.toml").write_text("\n".join(lines), encoding="utf-8")
        print(f"python export_all.py {FOLDER / 'accounts.toml'} {FOLDER / 'exports'}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 12))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
