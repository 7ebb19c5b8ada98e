"""The upper limit: a plain WSGI callable without a framework. It checks the token and runs the SQL that Kumanda runs.

Everything that the measured requests do not need is missing: validation of input, translated refusals, other
methods and paths.
"""
