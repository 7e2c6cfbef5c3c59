"""From text to tokens: tokenizers, token files and batches."""
