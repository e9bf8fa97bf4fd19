"""Secure device access: trust anchors of accounts, and access tokens that devices check by them, also without a network."""
