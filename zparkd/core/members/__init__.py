"""What centrals say of each other, and what that comes to."""
