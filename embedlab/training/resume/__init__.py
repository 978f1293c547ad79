"""Runs that resume where they were stopped, bit for bit."""
