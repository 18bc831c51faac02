"""The HTTP edge: who may call, what a request may hold, and how a failure is told.

`create_app` in `api.app` builds the application; each family of endpoints has its own module.
"""
