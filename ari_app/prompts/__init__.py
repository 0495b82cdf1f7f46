"""What the agent says: text ids and values -> words."""
