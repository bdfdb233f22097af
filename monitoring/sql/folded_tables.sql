-- Compressed days, in partitions by UTC day like the raw tables: one row for each service and region, whose content is
-- written and read by `monitoring/checks/compressed/rows.py`. A check is in its raw table or here, never in both.

CREATE TABLE folded_checks (
    day date NOT NULL,
    row_count integer NOT NULL CHECK (row_count > 0),
    bad_count integer NOT NULL CHECK (bad_count BETWEEN 0 AND row_count),  -- to find failures without decompressing it
    blind_count integer NOT NULL CHECK (blind_count BETWEEN 0 AND row_count),  -- those of a blind region
    service_id text NOT NULL,
    region text NOT NULL,
    content bytea NOT NULL,
    -- Readers: the days of a service in order; all of a day, which is a partition.
    PRIMARY KEY (service_id, day, region)
) PARTITION BY RANGE (day);

CREATE TABLE folded_requests (
    day date NOT NULL,
    row_count integer NOT NULL CHECK (row_count > 0),
    service_id text NOT NULL,
    region text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (service_id, day, region)
) PARTITION BY RANGE (day);

-- It is compressed already, and better than PostgreSQL would.
ALTER TABLE folded_checks ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE folded_requests ALTER COLUMN content SET STORAGE EXTERNAL;
