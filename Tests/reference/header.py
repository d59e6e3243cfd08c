"""What `include/focalloss.h` declares: its constants, its functions, and the fields of `focal_args` with defaults.

The tests read the header itself, so that a constant or a field is written down in one place only, and a default in the
header's comments is one that can be tested.
"""

import re
from collections import namedtuple
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "include" / "focalloss.h"
TEXT = PATH.read_text(encoding="utf-8")

Field = namedtuple("Field", "name type default")  # default: a number, or None for NULL and for struct_size


def _number(text):
    text = text.strip().strip("()")
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text == "NULL":
        return None
    if text == "INT64_MIN":
        return -(2**63)
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


CONSTANTS = {}
for _name, _value in re.findall(r"^#define (FOCAL_\w+) +(\(?[-+.\w]+\)?)(?= |$)", TEXT, re.M):
    CONSTANTS[_name] = _number(_value)


def _fields():
    body = re.search(r"typedef struct focal_args \{(.*?)\n\} focal_args;", TEXT, re.S).group(1)
    for line in body.splitlines():
        match = re.match(r" +((?:const )?\w+ \*?)(\w+);(?: +/\* \[([^\]]+)\])?", line)
        if match:
            kind, name, default = match.groups()
            yield Field(name, kind.replace("const ", "").strip(), None if default is None else _number(default))


FIELDS = tuple(_fields())
DEFAULTS = {field.name: field.default for field in FIELDS}


def _functions():
    """(result, name, ((type, parameter), ...)) of every exported function."""
    declaration = r"^FOCALLOSS_API ((?:const )?\w+ \*?)(\w+)\(([^)]*)\);"
    for result, name, parameters in re.findall(declaration, TEXT, re.M):
        pairs = [re.match(r"(.*?)(\w+)$", part.strip()).groups() for part in parameters.split(",") if part != "void"]
        yield result.strip(), name, tuple((kind.strip(), parameter) for kind, parameter in pairs)


FUNCTIONS = tuple(_functions())


class Options:
    """The options of one call by their names in `focal_args`; what is not given has the header's default."""

    def __init__(self, **given):
        unknown = set(given) - set(DEFAULTS)
        if unknown:
            raise TypeError(f"focal_args has no field {', '.join(sorted(unknown))}")
        self.__dict__.update(DEFAULTS)
        self.__dict__.update(given)


def __getattr__(name):
    """`header.SOFT_QUALITY` is FOCAL_SOFT_QUALITY."""
    try:
        return CONSTANTS["FOCAL_" + name]
    except KeyError:
        raise AttributeError(f"the header does not define FOCAL_{name}") from None
