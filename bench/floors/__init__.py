"""The floors: each does the least that a figure's work could cost, on the same servers."""
