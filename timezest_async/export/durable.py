"""Writing so that it survives: a crash, a power cut, or two processes at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from timezest_async.errors import ConfigurationError


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: files made, renamed and removed."""
    if os.name == "nt":  # pragma: no cover  # Windows opens no folders, and keeps names by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def replace(source: Path, target: Path) -> None:
    """Rename a file over another, atomically and durably."""
    source.replace(target)
    sync_folder(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file: after a crash it holds the old text or the new one, never a part."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    replace(draft, path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Hold a lock file, which goes with the process however it ends.

    Raises:
        ConfigurationError: Another process holds it, or its folder is missing.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where an open file cannot be replaced anyway
    except ModuleNotFoundError:  # pragma: no cover
        yield
        return
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except FileNotFoundError:
            raise ConfigurationError(f"there is no folder {path.parent}: make it first") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise ConfigurationError(
                f"another process is writing this export (it holds {path}): wait for it to end"
            ) from None
        if _is_still(path, descriptor):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether a path still names an open file, which its last holder may have removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
