"""Methods that tell what repeats from what does not."""
