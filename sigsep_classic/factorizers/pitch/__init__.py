"""What knows of pitch: a leading voice by its melody, or as a source through filters; sinusoids grouped by harmony."""
