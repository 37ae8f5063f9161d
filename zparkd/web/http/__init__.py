"""What every answer and every question over HTTP has in common."""
