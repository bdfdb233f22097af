-- The raw tables, partitioned by UTC day (`database/partitions.py` creates the partitions). No foreign keys: there are
-- millions of rows, and services are never deleted. No DEFAULT partition: it would have to be scanned at each new day.

CREATE TABLE watch_server_logs (
    checked_at timestamptz(3) NOT NULL,
    response_time real CHECK (response_time >= 0),
    lateness_ms real NOT NULL CHECK (lateness_ms >= 0),
    dns_ms real,
    connect_ms real,
    tls_ms real,
    first_byte_ms real,
    interval_ms integer NOT NULL CHECK (interval_ms > 0),
    status_code smallint,
    is_healthy boolean GENERATED ALWAYS AS (verdict <> 'bad') STORED,
    service_id text NOT NULL,
    region text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('ok', 'slow', 'bad')),
    error_type text CHECK (error_type IN ('timeout', 'connection_error', 'http_error', 'dns_error', 'unknown')),
    error_message text,
    metadata jsonb,
    -- One row per service, slot and region, even if a result is delivered twice. Readers: the checks of a service by
    -- time, in either direction; rebuilding its runs.
    PRIMARY KEY (service_id, checked_at, region),
    -- A bad check has an error type, a good one has none.
    CONSTRAINT watch_server_logs_class_when_bad CHECK ((error_type IS NOT NULL) = (verdict = 'bad'))
) PARTITION BY RANGE (checked_at);

-- Reader: the admin page of raw checks, when it lists failures, also of all services.
CREATE INDEX watch_server_logs_unhealthy ON watch_server_logs (checked_at, service_id) WHERE NOT is_healthy;

CREATE TABLE api_response_times (
    measured_at timestamptz(3) NOT NULL,
    response_time real CHECK (response_time >= 0),
    status_code smallint,
    hop smallint NOT NULL,
    is_success boolean NOT NULL,
    is_final boolean NOT NULL,
    service_id text NOT NULL,
    region text NOT NULL,
    method text NOT NULL,
    endpoint text,
    error_message text,
    metadata jsonb
) PARTITION BY RANGE (measured_at);

-- Readers: percentiles and requests of one service. Equal keys share one entry, so that this takes 11 B a row while an
-- index on (service_id, measured_at DESC, is_success) took 86, half of them unused: rows of many services arrive in
-- turn, and each of its pages splits in the middle. The time within the day of a partition comes from the block ranges
-- below: both bitmaps together find a service's hour in under a millisecond.
CREATE INDEX api_response_times_of_service ON api_response_times (service_id);
-- Reader: "by time", over all services and of one. Rows arrive in order of time, so a block range index suffices.
CREATE INDEX api_response_times_by_time ON api_response_times USING brin (measured_at) WITH (pages_per_range = 32);
