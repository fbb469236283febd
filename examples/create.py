"""Ask the contact of a ConnectWise ticket to book an appointment: once, even when the answer gets lost.

Usage: python create.py "#1234"

Reads TIMEZEST_API_KEY (of a key that may write) and, for another service than the real one,
TIMEZEST_BASE_URL.
"""

import asyncio
import sys

from timezest_async import AssociatedEntity, OutcomeUnknownError, TimeZestClient, TriggerMode


async def main(ticket_number: str) -> None:
    """Create the request with the account's first appointment type and technician."""
    async with TimeZestClient() as client:
        appointment_type, *_ = await client.appointment_types.list().to_list()
        technician, *_ = await client.agents.list().to_list()
        try:
            request = await client.scheduling_requests.create(
                appointment_type_id=appointment_type.id,
                trigger_mode=TriggerMode.GENERATE_URL,
                resource_ids=[technician.id],
                associated_entities=[AssociatedEntity.connectwise_psa_service_ticket(number=ticket_number)],
            )
        except OutcomeUnknownError as error:
            # The answer was lost, not necessarily the request: look before creating again.
            candidates = await error.find_candidates(client)
            if not candidates:
                sys.exit(f"{error}: nothing was created yet, so try again in a moment")
            request = candidates[0]
    print(f"{request.id}  {request.status}  {request.scheduling_url}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
