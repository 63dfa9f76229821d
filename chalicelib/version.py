"""The version of what is deployed."""

VERSION = "0.1.0"
