"""The floor everything else stands on."""
