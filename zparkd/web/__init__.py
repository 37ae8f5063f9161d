"""The HTTP gateway: the API and the page for people, as a process of its own.

It asks the daemon over its control socket and reads the database over read-only connections,
so nothing that comes in over HTTP runs in the daemon's loop but what the daemon was asked for.
"""
