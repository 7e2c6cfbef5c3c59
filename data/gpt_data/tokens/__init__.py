"""From a text to tokens, files of tokens and batches."""
