"""One command a file: parse, call the client, print; no logic of their own."""
