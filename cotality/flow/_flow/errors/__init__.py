"""What a call of a flow may end in, besides what its handlers raise: `errors`."""
