"""The load generator: one light client for floors and figures alike, so that both pay the same."""
