"""The log and its projections in PostgreSQL: what was said, and where each ticket stands."""
