"""One layer: from a compressed archive to files."""
