"""The HTTP server: an RSGI application that runs Django in threads.

RSGI is the native interface of Granian. The application gets a request before its body has arrived, so a client that
sends its body slowly occupies a coroutine and no thread.
"""
