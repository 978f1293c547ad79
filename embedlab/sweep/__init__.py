"""Sweeps that can be rerun: finished jobs are skipped, interrupted ones are resumed. Imports no torch."""
