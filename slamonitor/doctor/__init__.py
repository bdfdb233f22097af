"""What `manage.py doctor` and the diagnostics page of the admin find."""
