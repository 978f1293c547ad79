"""Charts of a comparison: one file a family, `all_charts.charts` in the order of the report."""
