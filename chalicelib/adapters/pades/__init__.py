"""Seals in PDFs: PAdES baseline B-B to B-LTA (EN 319 142-1)."""
