"""Settings, URLs, the OpenAPI text, the server and the demo: the only package that imports all apps."""
