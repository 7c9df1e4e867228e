"""Late reverberation told apart from what arrives before it."""
