"""Methods that tell sources apart by where they lie between two channels."""
