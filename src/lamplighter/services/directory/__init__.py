"""The device directory: devices, their groups, saved queries and events."""
