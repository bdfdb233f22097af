"""Maintenance: planned once or by a rule, announced, begun and ended without anybody at the keyboard."""
