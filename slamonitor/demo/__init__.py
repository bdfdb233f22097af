"""The demonstration: targets with characters of their own, and a past that they could have had."""
