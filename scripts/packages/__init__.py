"""What `scripts/package` makes: a module for each kind of package, and the checks of them."""
