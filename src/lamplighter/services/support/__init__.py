"""Support: kept errors and their explanation, and the maintenance switch."""
