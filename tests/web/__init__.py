"""`cotality.web`: who is answered, what is asked for, and what becomes of it."""
