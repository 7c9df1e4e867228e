"""Demixing: each source is a linear combination of the channels, or of what stands for them."""
