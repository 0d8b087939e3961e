"""Test vectors as text: the manifest that describes a folder, reader, writer, and a proposal where there is none."""
