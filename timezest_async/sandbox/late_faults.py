"""Things that go wrong with time: what happens after its connection is gone, and lists that are behind."""

from __future__ import annotations

from attrs import evolve, frozen

from timezest_async.sandbox.arguments import check_arguments
from timezest_async.sandbox.exchange import Delivery, Request, Response
from timezest_async.sandbox.faults import Fault


@frozen
class ActsLate(Fault):
    """Close the connection without a byte of answer, and act only then: a create happens later.

    Attributes:
        seconds: How much later.
    """

    acts = False

    seconds: float

    def __attrs_post_init__(self) -> None:
        check_arguments(seconds=self.seconds)

    def acts_after(self) -> float | None:  # noqa: D102 - as in Fault
        return self.seconds

    def apply(self, response: Response, request: Request) -> Response:  # noqa: ARG002, D102 - as in Fault
        return evolve(response, delivery=Delivery.NOTHING)


@frozen
class ListLag(Fault):
    """Answer a list as it was: what was created, changed or removed since does not show yet.

    Attributes:
        seconds: How far it is behind.
    """

    seconds: float

    def __attrs_post_init__(self) -> None:
        check_arguments(seconds=self.seconds)

    def behind(self) -> float:  # noqa: D102 - as in Fault
        return self.seconds
