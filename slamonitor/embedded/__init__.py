"""Run our own PostgreSQL and Redis for installations without `DATABASE_URL` or `REDIS_URL`."""
