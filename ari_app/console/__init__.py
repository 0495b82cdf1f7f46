"""The front desk's view."""
