"""What workflows have done for them outside of their own deterministic world."""
