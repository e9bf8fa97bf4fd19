"""CoAP without I/O: RFC 7252, 7641, 7959, 8132 and 8323, and the parts of 9175 that device management needs."""
