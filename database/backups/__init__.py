"""Backups that restore: one file a night, one file for each closed day of raw rows, and a proof that both can be read.

A backup (`container.py`) is plain SQL in gzip members: its description (`manifest.py`), the schema, the rows, indexes
and constraints, and a seal over all of it. `taking.py` writes one from one snapshot, `raw_days.py` the closed
partitions, `loading.py` loads a file into a separate database and compares, `replacing.py` swaps that with the live
one.
"""
