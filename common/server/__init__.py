"""The HTTP server's side of the service: an RSGI application that runs Django in threads.

RSGI is the native interface of Granian. It hands over a request before its body has arrived, so a client that sends
its body slowly holds a coroutine and no thread.
"""
