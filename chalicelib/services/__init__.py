"""Use cases: one file each, one function with numbered steps."""
