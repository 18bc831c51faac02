"""The figures: one module each. Where a floor belongs to a figure, the two take turns."""
