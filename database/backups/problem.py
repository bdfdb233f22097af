"""What is raised for people."""


class BackupError(Exception):
    """A backup cannot be taken, read or restored; the message says what, why, and what to do."""


class Busy(BackupError):
    """Another backup or restore of the same database is running."""


class Foreign(BackupError):
    """A file is whole, and none of our keys signed it."""
