"""Methods that tell sustained from struck sounds."""
