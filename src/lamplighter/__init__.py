"""Lamplighter: device management for fleets of small devices, self-hosted."""

__version__ = "0.1.0"
