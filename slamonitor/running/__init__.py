"""Start the processes of an installation, watch them, and end them in order."""
