"""Exceptions with messages for people."""


class BackupError(Exception):
    """A backup can't be taken, read or restored; the message says what failed, why, and the remedy."""


class Busy(BackupError):
    """Another backup or restore of the same database is running."""


class Foreign(BackupError):
    """A file is complete, and none of our keys signed it."""
