"""What a word on a command line could become, for shells that ask.

A shell's script (`script`) calls the command with ``_IMGFETCH_COMPLETE`` set and the words up to
the cursor as arguments, and `answer` prints a line for each candidate. Nothing is changed and
nothing is said on the way: where something does not work there are no candidates.
"""
