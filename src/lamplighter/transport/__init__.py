"""Sockets round the cores, on asyncio."""
