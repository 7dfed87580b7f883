"""Bridges to other systems: their names and arguments, our engine and store beneath."""
