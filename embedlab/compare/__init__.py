"""Comparison of finished runs: read their results, rank them with statistics, and write tables, charts and a report."""
