"""Where the files that are not Python live: beside the packages in a checkout, inside the wheel when installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The folder `scenarios` or `compose`.

    Raises:
        FileNotFoundError: Neither a checkout nor a complete wheel: the installation is broken.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is neither beside nor inside the package {_PACKAGE}: install eos-chaos again")
