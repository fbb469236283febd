"""The end of an export: what is ready is looked at once more, and given its name."""

from __future__ import annotations

from pathlib import Path

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import install, remove, replace, usual_mode
from timezest_async.export.fingerprints import Fingerprint
from timezest_async.export.job_state import damaged


def give_name(source: Path, target: Path, expected: Fingerprint | None, *, overwrite: bool) -> None:
    """Rename a file that is ready; can be done again after a crash.

    Args:
        source: Where it is.
        target: Its name from now on.
        expected: What it is; None where nobody noted it.
        overwrite: Whether a file of that name is replaced.

    Raises:
        ConfigurationError: It is not what is expected, or there is another file of that name.
    """
    # Where it is missing it was renamed before a crash, and only tidying up is left.
    here = source if source.exists() else target
    if not here.exists():
        raise damaged(source, "it is gone")
    if expected is not None and not expected.is_of(Fingerprint.of(here)):
        raise damaged(here, "another program changed it")
    if here is target:
        return
    source.chmod(usual_mode(target))
    if overwrite:
        replace(source, target)
        return
    try:
        install(source, target)
    except FileExistsError:
        # A run that was cut short right there left both names of the file.
        if expected is None or not is_file_of(target, expected):
            raise made_meanwhile(target) from None
        remove(source)


def is_file_of(path: Path, expected: Fingerprint | None) -> bool:
    """Return whether a file is what is expected, as far as that was noted."""
    return expected is None or expected.is_of(Fingerprint.of(path))


def made_meanwhile(target: Path) -> ConfigurationError:
    """Make the error for a file of the export's name that somebody else made while it was under way."""
    return ConfigurationError(
        f"{target} was made by another program while this export was under way, and is left as it is: move "
        "it away and resume, or start anew with overwrite=True"
    )
