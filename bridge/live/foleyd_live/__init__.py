"""The live host of foleyd: pads, presets, and audio that never stops."""
