"""A page that shows where an image's bytes are: one file, no network, no server."""
