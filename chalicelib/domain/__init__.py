"""The rules of the field: no AWS, no network, no clock, no randomness, no PDF."""
