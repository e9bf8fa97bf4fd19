"""Channels: how an application gets its notifications. Each is a cursor on the event log."""
