"""One budget for several processes and hosts, kept in Redis.

Knows the script, the connections and what to do while Redis is away; knows nothing of HTTP.
"""
