"""The beginning of an export: what there is already is gone on with, refused, or given up."""

from __future__ import annotations

import os
import secrets

import attrs

from timezest_async.errors import ConfigurationError
from timezest_async.export.atomic_files import check_name, remove, sweep
from timezest_async.export.endings import made_meanwhile
from timezest_async.export.job_state import Names, Order, Phase, Unfinished


def prepare(names: Names, order: Order, *, resumes: bool, other_key: bool) -> Unfinished | None:
    """Find what there is, and refuse what must not be touched.

    Args:
        names: The export's.
        order: What is to be done.
        resumes: Whether to go on with what is unfinished.
        other_key: Whether that may be of another account's key.

    Returns:
        What is unfinished, perhaps only just begun; None where the file is finished already.

    Raises:
        ConfigurationError: There is what was not asked for.
    """
    check_name(names.target)
    sweep(names.state)
    if not order.overwrite:
        unfinished = Unfinished.load(names.state)
        if unfinished is not None:
            if not resumes:
                raise ConfigurationError(
                    f"{names.partial} is an unfinished export: resume=True goes on with it, "
                    "overwrite=True starts anew"
                )
            return _take_over(unfinished, names, order, other_key=other_key)
        if os.path.lexists(names.target):  # a link that leads nowhere would be replaced too
            if resumes:
                return None
            raise ConfigurationError(f"{names.target} exists already: overwrite=True replaces it")
        if os.path.lexists(names.partial):
            raise ConfigurationError(
                f"{names.partial} exists, without the checkpoint that would tell how to resume it: "
                "overwrite=True starts anew"
            )
        if order.skip_unreadable and names.unreadable.exists():
            raise ConfigurationError(f"{names.unreadable} exists already: overwrite=True replaces it")
    # The checkpoint goes before what it is of, and comes before: none is ever of another output.
    remove(names.state)
    remove(names.partial)
    remove(names.partial_unreadable)
    unfinished = Unfinished(order, export=secrets.token_hex(8))
    unfinished.save(names.state)
    return unfinished


def _take_over(unfinished: Unfinished, names: Names, order: Order, *, other_key: bool) -> Unfinished:
    """Go on as an export was begun, but for what may be chosen anew."""
    begun = unfinished.order
    if not other_key:
        begun.check_account(order, names.target)
    begun.check_same(order, names.target)
    if not begun.overwrite and unfinished.phase is not Phase.READY and os.path.lexists(names.target):
        raise made_meanwhile(names.target)
    skip = order.skip_unreadable or begun.skip_unreadable
    taken = attrs.evolve(unfinished, order=attrs.evolve(begun, start=order.start, skip_unreadable=skip))
    if begun.start.account != order.start.account:
        # From now on it is this key's, whatever comes of this run.
        taken.save(names.state)
    return taken
