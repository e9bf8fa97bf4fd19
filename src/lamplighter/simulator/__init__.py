"""Simulated devices: the client side of LwM2M, on the same CoAP and DTLS as the server."""
