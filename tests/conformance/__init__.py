"""The promises every method keeps, as functions of any method."""
