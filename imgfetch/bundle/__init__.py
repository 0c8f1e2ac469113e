"""From an image's config and the options of a run to what an OCI runtime is given."""
