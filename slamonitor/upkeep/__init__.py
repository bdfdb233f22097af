"""Keeping it: the work of the night, and what `manage.py doctor` and the desk's upkeep screen find."""
