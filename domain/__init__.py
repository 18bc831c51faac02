"""What a ticket is and what may happen to it: models, rules and names, without any I/O.

Everything here is safe to import into Temporal's workflow sandbox and to replay.
"""
