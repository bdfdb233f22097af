"""The limits of requests in bytes, and the deadlines in seconds."""

import resource

MOST_HEADER_BYTES = 32_768  # of all headers together; browsers send 1 to 8 KB
MOST_HEADERS = 100
MOST_URL_BYTES = 8_192
MOST_UNHEADED_BYTES = MOST_URL_BYTES + 2 * MOST_HEADER_BYTES  # read before the headers are complete
READ_BYTES = 8_192  # of a connection before the others have their turn
MOST_REMEMBERED, MOST_REMEMBERED_BYTES = 512, 2_048  # requests that ask for the page, and each
MOST_HELD_BYTES = 64 * 1024 * 1024  # of all requests that are in memory at one time

HEADERS_WITHIN_S = 10.0  # from the connection, or from the first byte of a further request
BODY_WITHIN_S = 20.0  # from the end of the headers
IDLE_S = 30.0  # for which a connection is kept between requests; a proxy must keep its own for less
PLACE_WITHIN_S = 10.0  # for which a request waits for a thread or seat of its kind
SLOWEST_BYTES_PER_S = 16_384  # at which an answer must be read
LINGER_S = 2.0  # for which we read on after a refusal, so that its words arrive

MOST_CONNECTIONS = 20_000
MOST_OF_ADDRESS = 512  # connections; of an IPv6 /64 together
MOST_PIPELINED = 8  # requests that wait behind another on one connection
MOST_UNREAD_BYTES = 128 * 1024 * 1024  # of all answers that wait for their clients to read them
OTHER_FILES = 256  # descriptors that are not connections: database, logs, figures


def most_connections() -> int:
    """Return how many connections this process may have open, with room left for other files."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, soft - min(OTHER_FILES, soft // 2)))
