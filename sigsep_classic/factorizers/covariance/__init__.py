"""Spatial covariances: each source is a cloud in space, so that there may be more sources than microphones."""
