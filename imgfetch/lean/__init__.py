"""Parts of the standard library that every run needs, without what these import there.

`dataclasses` alone takes as long to import, and to define classes with, as all the work of a run
whose image is at hand. The modules here have names of the standard library's and hold of them
what this package uses, with the same meaning: the stubs beside them show type checkers the
originals, and the same tests are run against both. What is rare is handed on to the originals.

Modules on the way of a warm run import from here; all others as they like.
"""
