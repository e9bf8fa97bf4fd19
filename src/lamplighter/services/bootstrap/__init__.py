"""Bootstrap: a device proves who made it, and is given what it needs for LwM2M."""
