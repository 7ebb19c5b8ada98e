"""Benchmarks, and the peers that they compare Kumanda with."""
