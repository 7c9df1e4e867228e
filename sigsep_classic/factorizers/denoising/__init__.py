"""Speech out of noise: noise estimates, the gains made of them, and mains hum."""
