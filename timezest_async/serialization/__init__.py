"""JSON and records: what the service sends becomes records, and records become JSON again.

Knows the records' classes and the shapes they have on the wire; knows no HTTP, no filters and no files.
"""

from timezest_async.serialization.converter import configure_converter, make_converter
from timezest_async.serialization.readers import StructureError, UnreadableRecord

__all__ = ["StructureError", "UnreadableRecord", "configure_converter", "make_converter"]
