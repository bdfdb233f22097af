"""Compress old days of raw checks to a twentieth of their size, read them, and decompress those that must change."""
