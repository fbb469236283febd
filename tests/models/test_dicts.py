"""The typed dictionaries against the records and what their ``to_dict()`` gives."""

from __future__ import annotations

from typing import Any, get_args

import attrs
import pytest

from timezest_async import models

RECORDS = [
    models.SchedulingRequest,
    models.AssociatedEntity,
    models.ResourceReference,
    models.Agent,
    models.Team,
    models.AppointmentType,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_dictionary_has_the_fields_of_its_record(record: Any) -> None:
    typed = getattr(models, f"{record.__name__}Dict")
    assert get_args(record.__orig_bases__[0]) == (typed,)
    assert tuple(typed.__annotations__) == record.field_names
    required = {field.name for field in attrs.fields(record) if field.default is attrs.NOTHING}
    assert typed.__required_keys__ == required
