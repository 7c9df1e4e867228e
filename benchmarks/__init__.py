"""Figures this project claims, each printed by ``python -m benchmarks.NAME`` beside what it is compared with."""
