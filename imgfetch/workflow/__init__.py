"""The verbs, one file each: they join the rooms and own no I/O of their own."""
