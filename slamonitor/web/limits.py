"""Limits of requests, in bytes, and deadlines, in seconds."""

import resource

MOST_HEADER_BYTES = 32_768  # of all headers together; browsers send 1 to 8 KB
MOST_HEADERS = 100
MOST_URL_BYTES = 8_192
MOST_UNHEADED_BYTES = MOST_URL_BYTES + 2 * MOST_HEADER_BYTES  # accepted before the headers are complete
READ_BYTES = 8_192  # of one connection before the others have their turn
MOST_REMEMBERED, MOST_REMEMBERED_BYTES = 512, 2_048  # requests for the page, and the length of each
MOST_HELD_BYTES = 64 * 1024 * 1024  # of all requests in memory at a time

HEADERS_WITHIN_S = 10.0  # after connecting, or after the first byte of a further request
BODY_WITHIN_S = 20.0  # after the end of the headers
IDLE_S = 30.0  # between two requests; a proxy must close idle connections sooner
PLACE_WITHIN_S = 10.0  # waiting for a thread or seat of its kind
SLOWEST_BYTES_PER_S = 16_384  # clients must read responses at this rate
LINGER_S = 2.0  # we keep reading after a refusal, so that the response arrives

MOST_CONNECTIONS = 20_000
MOST_OF_ADDRESS = 512  # connections from one IPv4 address or IPv6 /64
MOST_PIPELINED = 8  # requests waiting behind another on one connection
MOST_UNREAD_BYTES = 128 * 1024 * 1024  # of all responses that clients have not read yet
OTHER_FILES = 256  # file descriptors for anything but clients: database, logs, metrics


def most_connections() -> int:
    """Return the number of connections that this process may have, which leaves descriptors for other files."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, soft - min(OTHER_FILES, soft // 2)))
