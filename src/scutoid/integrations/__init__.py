"""Integrations with other systems: their names and arguments, our engine and store."""
