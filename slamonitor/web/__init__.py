"""The web server: an event loop reads requests and writes responses; each kind of request has its own threads.

A connection occupies a thread, one of those of its kind, only while its complete request is being handled. Requests for
the public page and `/livez` are answered from memory and need no thread.
"""
