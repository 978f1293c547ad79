"""The language model: token table, attention blocks, loss, and tables trained elsewhere."""
