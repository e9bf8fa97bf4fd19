"""Credentials of devices: pre-shared keys, developer certificates, and what devices need to know of the servers."""
