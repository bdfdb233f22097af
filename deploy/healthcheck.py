"""Say by the exit status whether the web process on a port answers; the image's HEALTHCHECK.

A 503 of /health is an answer: something else is down, and restarting the web process would not mend it.
"""

import http.client
import sys


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health", headers={"Host": "web"})  # docker-compose.yml allows this name
        return connection.getresponse().status in (200, 503)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if answers(int(sys.argv[1])) else 1)
