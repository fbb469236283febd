"""Writing so that it survives: a crash, a power cut, two processes at once, or somebody else's files."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from timezest_async.errors import ConfigurationError

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Windows has no links to be refused, and marks binary files.
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OLD: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_PRIVATE: Final = 0o600
"""The mode of what holds records and is not finished: its owner's alone."""


def check_name(path: Path, purpose: str = "") -> None:
    """Refuse a name that belongs to something other than a file, which would be replaced.

    Raises:
        ConfigurationError: It is that of a folder, a device, a pipe, or one of the process's own streams.
    """
    if not path.name or path.is_dir():
        raise ConfigurationError(f"{path} is a folder: name a file{purpose}")
    root, *parts = path.absolute().parts
    is_stream = root == "/" and (parts[0] == "proc" or (parts[0] == "dev" and parts[1] != "shm"))
    if is_stream or (path.exists() and not path.is_file()):
        raise ConfigurationError(f"{path} is a device, a pipe or a stream: name a file{purpose}")


def create(path: Path) -> int:
    """Make a file that was not there, for its owner alone, in the place of no other's and behind no link.

    Returns:
        Its descriptor.

    Raises:
        FileExistsError: There is something of this name.
    """
    return os.open(path, _NEW, _PRIVATE)


def reopen(path: Path) -> int:
    """Open a file that is there, behind no link; return its descriptor.

    Raises:
        FileNotFoundError: It is gone.
        OSError: It is a link, or cannot be opened.
    """
    return os.open(path, _OLD)


def write_all(descriptor: int, chunks: Iterable[bytes]) -> None:
    """Write bytes, and make them durable."""
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Write a new file durably, but for its name.

    Raises:
        FileExistsError: There is something of this name.
    """
    descriptor = create(path)
    try:
        write_all(descriptor, [data])
    finally:
        os.close(descriptor)


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
    descriptor = reopen(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Rename a file over another, atomically and durably."""
    os.replace(source, target)  # noqa: PTH105 - tests watch the calls of the operating system
    sync_folder(target.parent)


def install(source: Path, target: Path) -> None:
    """Rename a file durably, unless there is one of that name: it is never replaced.

    Raises:
        FileExistsError: There is.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError(f"{target} exists") from None
        os.rename(source, target)  # noqa: PTH104 - as above
    else:
        sync_folder(target.parent)
        source.unlink()
    sync_folder(target.parent)


def usual_mode(path: Path) -> int:
    """Return the mode of the file that is there, else that of any new file."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write a small file: after a crash it holds the old text or the new one, never a part.

    Args:
        path: The file.
        text: What it is to hold.
        private: Whether it is for its owner alone; else for whom the old one was, or any new file would be.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        write_new(draft, text.encode())
        if not private:
            draft.chmod(usual_mode(path))
        replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def sweep(path: Path) -> None:
    """Remove the drafts of a file that a crash left; only for who alone may write it."""
    prefix, ending = f".{path.name}.", ".new"
    for draft in path.parent.iterdir():
        middle = draft.name.removeprefix(prefix).removesuffix(ending)
        if len(middle) == len(draft.name) - len(prefix) - len(ending) == 16:
            draft.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Hold a lock file, which goes with the process however it ends.

    The ``filelock`` package does as much and more, but an export to JSON lines needs no extra, and this lock
    follows no links.

    Raises:
        ConfigurationError: Another process holds it, its folder is missing, or its name is a link.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | _OLD, 0o644)
        except FileNotFoundError:
            raise ConfigurationError(f"there is no folder {path.parent}: make it first") from None
        except OSError as error:
            if not path.is_symlink():
                raise
            raise ConfigurationError(f"{path} is a link: remove it ({error.strerror})") from None
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise ConfigurationError(
                f"another process is writing this export (it holds {path}): wait for it to end"
            ) from None
        if is_at(path, descriptor):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        # Windows removes no file that is open; elsewhere it must go before another process may lock it.
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one of this name, which another process may have removed."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
