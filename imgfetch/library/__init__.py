"""What Python programs hold: `Client`, whose verbs leave the calling process as it is.

Verbs that need a process of their own, since they enter namespaces or fork, get one: a
Python interpreter that is started for the call (`call`), does the work (`child`) and tells
about it through a pipe (`wire`, `events`). The others are those of `imgfetch.client`.
"""
