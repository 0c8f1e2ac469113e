"""The OCI specifications as frozen values: text and bytes in, values out, no I/O."""
