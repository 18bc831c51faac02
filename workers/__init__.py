"""Composition roots: what each process is made of."""
