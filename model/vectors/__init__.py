"""Test vectors as text: the manifest that describes a folder, its reader, its writer, its proposal where there is none."""
