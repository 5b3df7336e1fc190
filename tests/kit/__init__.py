"""What tests of several rooms use: gates, programs, servers, odd objects."""
