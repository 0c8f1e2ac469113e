"""The distribution-spec client: the only room that speaks HTTP.

`imgfetch.registry.client` imports requests, which costs more than a warm run has to
spare: this package imports nothing itself, and its modules are imported where an image
has to come from a registry.
"""
