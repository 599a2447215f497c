"""What is known about a bound, written so that anyone can check it."""
