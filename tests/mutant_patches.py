"""A patch written for a test: it changes one line of sfp.v."""

from __future__ import annotations

from pathlib import Path

PATCH = """\
# Fault: {fault}. Stands for: {fault}.
--- a/rtl/sfp.v
+++ b/rtl/sfp.v
@@ -67,3 +67,3 @@

-{old}
+{new}
   assign out_o       = out_q;
"""
TOLD = "  assign out_valid_o = out_valid_q;"


def write_patch(folder: Path, name: str, new: str, old: str = TOLD) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.patch"
    path.write_text(PATCH.format(fault="a test", old=old, new=new))
    return path
