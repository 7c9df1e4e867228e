"""Templates that move: along time, along frequency, or along a waveform."""
