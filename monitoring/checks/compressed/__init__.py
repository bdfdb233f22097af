"""Old days of raw checks in a twentieth of the space: folded, read, and unfolded again where they must change."""
