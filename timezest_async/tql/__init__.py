"""The query language of TimeZest's lists: build filters in Python, write and read them as TQL text.

Knows attributes, operators and what the service's AND-only filters can say; knows no HTTP and no records.
"""

from timezest_async.tql.attributes import (
    Attribute,
    Boolean,
    Id,
    Number,
    Reference,
    String,
    TicketNumber,
    Timestamp,
)
from timezest_async.tql.building import Raw, all_of, any_of, raw
from timezest_async.tql.misuse import checked_filter
from timezest_async.tql.nodes import And, Expression, Or, Predicate, is_expression
from timezest_async.tql.operators import Kind, Operator
from timezest_async.tql.parsing import parse
from timezest_async.tql.planning import Plan, plan
from timezest_async.tql.rendering import render
from timezest_async.tql.schema import (
    AgentAttributes,
    AppointmentTypeAttributes,
    ResourceAttributes,
    SchedulingRequestAttributes,
    TeamAttributes,
    agent,
    appointment_type,
    resource,
    scheduling_request,
    team,
)
from timezest_async.tql.traversal import leaves
from timezest_async.tql.values import Moment

__all__ = [
    "AgentAttributes",
    "And",
    "AppointmentTypeAttributes",
    "Attribute",
    "Boolean",
    "Expression",
    "Id",
    "Kind",
    "Moment",
    "Number",
    "Operator",
    "Or",
    "Plan",
    "Predicate",
    "Raw",
    "Reference",
    "ResourceAttributes",
    "SchedulingRequestAttributes",
    "String",
    "TeamAttributes",
    "TicketNumber",
    "Timestamp",
    "agent",
    "all_of",
    "any_of",
    "appointment_type",
    "checked_filter",
    "is_expression",
    "leaves",
    "parse",
    "plan",
    "raw",
    "render",
    "resource",
    "scheduling_request",
    "team",
]
