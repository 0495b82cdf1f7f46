"""Openings, appointments and the booking that cannot double."""
