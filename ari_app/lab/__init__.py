"""The lab: a PBX, a scripted caller, a CalDAV server and the demo, all on loopback."""
