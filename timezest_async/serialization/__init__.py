"""JSON and records: what the service sends becomes records, and records become JSON again.

Knows the records' classes and the shapes they have on the wire; knows no HTTP, no filters and no files.
"""
