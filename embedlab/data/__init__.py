"""Text as token ids: corpora, tokenizers, caches, windows, loaders."""
