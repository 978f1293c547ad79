"""Settings: their types, checks, help and error messages. Imports no torch."""
