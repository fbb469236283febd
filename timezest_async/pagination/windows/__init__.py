"""Reading one list with several readers: windows of ``created_at`` at the same time, in order.

Knows how a list's records lie in time and what another request costs; knows nothing of filters' texts.
"""
