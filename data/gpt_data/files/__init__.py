"""Reading and writing files safely: atomic and sealed files, regular files only, downloads; nothing about tokens."""
