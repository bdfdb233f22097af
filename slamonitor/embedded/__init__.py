"""PostgreSQL and Redis of our own, for installations that name none."""
