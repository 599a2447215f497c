"""What runs already: score it, move it, size it, and say what binds."""
