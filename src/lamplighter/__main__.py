"""``python -m lamplighter``: the program, where its script is not on the path."""

from __future__ import annotations

from lamplighter.cli import main

if __name__ == "__main__":
    main()
