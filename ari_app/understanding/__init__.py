"""What the caller said, as meaning: pure text -> CallerAct."""
