"""The benchmark: figures beside floors of the same run. See docs/benchmark.md."""
