"""What is running: the library's version, instruction set and threads."""

from __future__ import annotations

import os
from typing import TypedDict

from . import _abi
from ._call import check, integer


class Info(TypedDict):
    version: str
    isa: str
    available_isas: tuple[str, ...]
    num_threads: int
    library: str


def _text(name: str) -> str:
    return _abi.FUNCTIONS[name]().decode()


def info() -> Info:
    """What is loaded.

    version: of the library. isa: the instruction set in use. available_isas: all that this build has and this CPU can
    run, lowest first. num_threads: that a large call may use. library: the file that was loaded.
    """
    return {
        "version": _text("version"),
        "isa": _text("isa"),
        "available_isas": tuple(_text("available_isas").split(",")),
        "num_threads": _abi.FUNCTIONS["get_num_threads"](),
        "library": _abi.loaded_path(),
    }


def set_num_threads(threads: int) -> None:
    """Threads that a large call may use, in the whole process. 0: the default, which is the environment's
    FOCALLOSS_NUM_THREADS, then OMP_NUM_THREADS, then the CPUs that this process may use."""
    check(_abi.FUNCTIONS["set_num_threads"](integer("threads", threads, 32)))


class set_isa:
    """Chooses the instruction set, for tests; used with `with`, the one before returns at its end.

    isa: one of info()["available_isas"], or None for the highest (in small calls x86-64-v3 at most, whose bits are the
    same). Errors: FocalLossError; TypeError. Process-wide.
    """

    _named = os.environ.get("FOCALLOSS_ISA") or None

    def __init__(self, isa: str | None = None):
        if not isinstance(isa, str | None):
            raise TypeError(f"isa must be a str or None; got {isa!r}")
        self._before = set_isa._named
        self._set(isa)

    def __enter__(self) -> set_isa:
        return self

    def __exit__(self, *exception) -> None:
        self._set(self._before)

    @staticmethod
    def _set(isa: str | None) -> None:
        check(_abi.FUNCTIONS["set_isa"](None if isa is None else isa.encode()))
        set_isa._named = isa
