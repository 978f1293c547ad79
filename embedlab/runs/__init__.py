"""A run's folder on disk: its name, lock, record, results and errors."""
