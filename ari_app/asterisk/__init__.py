"""Asterisk: ARI, chan_websocket media, AMI, FastAGI."""
