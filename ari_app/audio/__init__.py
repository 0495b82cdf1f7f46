"""Audio values and pure signal steps: frames, resampling, endpointing, assets."""
