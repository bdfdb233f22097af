"""The findings of `manage.py doctor` and of the diagnostics page of the admin."""
