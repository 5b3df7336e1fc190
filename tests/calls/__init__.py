"""What a call promises, on threads and on processes alike."""
