"""Certificates: the installation's own authorities, and (later) uploads, issuers and renewals."""
