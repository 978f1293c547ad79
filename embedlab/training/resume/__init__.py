"""Runs that go on where they were stopped, bit for bit."""
