"""The maintenance jobs of the night, and the state of the backups."""
