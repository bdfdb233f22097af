"""`make faults`: break a running installation in every way that we promise to survive, and look at what it kept."""
