"""The error catalogue: the one source of every error's answer, documentation, OpenAPI entry and explanation."""

from lamplighter.errors.base import Error, FieldFault, family_of

__all__ = ["Error", "FieldFault", "family_of"]
