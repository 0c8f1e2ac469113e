"""The command line: the only owner of arguments, environment, terminal and exit."""
