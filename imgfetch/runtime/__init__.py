"""The OCI runtime and the processes it runs."""
