"""One vendor each, behind a port of `chalicelib.ports`."""
