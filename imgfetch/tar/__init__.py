"""Tar archives and their compression, as streams; nothing here knows images or files."""
