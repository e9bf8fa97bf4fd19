"""Hostile bytes for everything that reads what a stranger sends: briefly in the suite, at length by ``./dev fuzz``."""
