"""The web server: an event loop that reads and writes, and threads of their own for each kind of request.

A connection costs a thread only from the moment its request is complete, and then only one of its kind's. Requests
answered from memory, for the public page and `/livez`, need no thread at all.
"""
