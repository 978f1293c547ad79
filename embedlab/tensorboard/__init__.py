"""Callbacks that write what TensorBoard shows of a run; nothing here affects training."""
