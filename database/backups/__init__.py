"""Backups that restore: one file a night, closed days of raw rows once each, and proof that both can be read back.

A backup (`container.py`) is plain SQL in gzip members: what it holds (`manifest.py`), the schema, the rows, indexes and
constraints, and a seal over all of it. `taking.py` writes one from one snapshot, `raw_days.py` the closed partitions,
`loading.py` loads a file into a database of its own and compares, `replacing.py` puts that in the live one's place.
"""
