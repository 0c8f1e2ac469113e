"""Unpacked layers by chainID, made into root filesystems."""
