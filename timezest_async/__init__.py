"""The asyncio SDK for TimeZest."""
