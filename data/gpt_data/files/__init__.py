"""Safe file access: atomic writes, JSON with checksums, regular files only, downloads; nothing about tokens."""
