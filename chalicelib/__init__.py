"""Tra: official documents, sealed, numbered, archived, delivered."""
