"""Safe reading and writing of files: atomic and sealed files, regular files only, downloads; nothing about tokens."""
