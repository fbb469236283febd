"""The package inside other people's frameworks: one module for each, behind the extra of its name.

Knows what a framework asks of a client and its lists; knows nothing of them that is not offered to everybody.
"""

__all__: list[str] = []
