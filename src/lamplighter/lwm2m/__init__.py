"""LwM2M without I/O: OMA LwM2M 1.0 and 1.1, and the dialect of the Mbed, Pelion and Izuma device client."""
