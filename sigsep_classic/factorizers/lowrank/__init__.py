"""Methods that explain a spectrogram by few templates."""
