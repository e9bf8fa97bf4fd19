"""The error catalogue: the one source of every error's answer, documentation, OpenAPI entry and explanation."""

from lamplighter.errors.base import Error, FieldFault, example, family_of, find

__all__ = ["Error", "FieldFault", "example", "family_of", "find", "load_all"]


def load_all() -> dict[str, type[Error]]:
    """Import every file of the catalogue; all members by name. For what shows the whole: docs, CLI, OpenAPI."""
    import importlib
    import pkgutil

    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(Error.members.items()))
