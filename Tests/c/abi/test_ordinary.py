"""Every field of focal_args is one that an ordinary call may name or one that is looked at before a call passes for ordinary.

The rules about the latter are not compiled for an ordinary call (Sources/FocalLoss/Arguments.swift): a field that stood in
neither list would be read as its default there, whatever the caller has set.
"""

import re

from abi import ROOT

# The struct's own size is looked at first; these two mean something only beside another field that is looked at.
APART = {"struct_size", "divisor_value", "shard_offset"}


def body(text, start):
    """What stands in the braces that open after `start`, by their indent."""
    indent = re.search(rf"^( *).*{re.escape(start)}", text, re.M)[1]
    return re.search(rf"{re.escape(start)}.*?{{\n(.*?)^{indent}}}", text, re.M | re.S)[1]


def test_every_field_is_taken_or_looked_at():
    struct = re.search(r"typedef struct focal_args \{(.*?)\} focal_args;", (ROOT / "include/focalloss.h").read_text(), re.S)[1]
    fields = set(re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", struct, flags=re.S)))
    swift = (ROOT / "Sources/FocalLoss/Arguments.swift").read_text()
    taken = set(re.findall(r"^ *(\w+) = args\.\1$", body(swift, "mutating func take"), re.M))
    looked_at = fields & set(re.findall(r"\w+", body(swift, "var isOrdinary")))
    assert len(taken) > 20 and len(looked_at) > 20
    assert taken & looked_at == set()
    assert taken | looked_at == fields - APART
