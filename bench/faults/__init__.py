"""`make faults`: inject every fault that the monitor promises to survive, and check the effects."""
