"""CoAP without I/O: RFC 7252, 7641, 7959, and the parts of 8132, 8323 and 9175 that device management needs."""
