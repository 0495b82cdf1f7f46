"""One module for each command of `ari-app`, loaded when it is called."""
