"""What the package takes for granted of the service, asked of the service itself.

Knows the assumptions, and how reading can decide them in under 20 requests; knows nothing of terminals and
files. Nothing is ever written to the service.
"""

from __future__ import annotations

from timezest_async.doctor.examination import examine
from timezest_async.doctor.findings import Diagnosis, Finding, Verdict

__all__ = ["Diagnosis", "Finding", "Verdict", "examine"]
