"""Puts ari_app beside an Asterisk or FreePBX that is there already, and takes it away again."""
