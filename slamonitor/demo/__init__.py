"""The demonstration: sample services with targets that behave differently, and sample data of their past 90 days."""
