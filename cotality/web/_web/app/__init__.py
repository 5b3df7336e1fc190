"""The service as a whole: how it is put together, `create`; begin and end, `life`."""
