"""How results are kept: JSON with a line for each contender or table, so that a diff shows what changed and no more."""

import json


def _is_plain(value):
    """A number, a word, or a list of them."""
    return not isinstance(value, dict) and not (isinstance(value, list) and any(isinstance(x, dict | list) for x in value))


def text(value, depth=0):
    named = isinstance(value, dict)
    if _is_plain(value) or all(map(_is_plain, value.values() if named else value)):
        return json.dumps(value)
    if named:
        entries = [f"{json.dumps(key)}: {text(child, depth + 1)}" for key, child in value.items()]
    else:
        entries = [text(child, depth + 1) for child in value]
    line, (first, last) = "\n" + " " * depth, "{}" if named else "[]"
    return first + line + " " + f",{line} ".join(entries) + line + last
