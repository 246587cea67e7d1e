"""Sound after the model: measuring, finishing, clip files and their pictures. No torch here."""
