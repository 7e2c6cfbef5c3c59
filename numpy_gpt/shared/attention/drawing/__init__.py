"""Maps of attention: as text for a terminal, as a sheet of pictures and as a web page."""
