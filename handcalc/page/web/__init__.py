"""The web page: Python writes it, with the words and the data of a trace; its program is JavaScript, in the folders."""
