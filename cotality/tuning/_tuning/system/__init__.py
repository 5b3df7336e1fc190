"""What this process has: `cores`, how busy: `cpu_load`, full memory: `pressure`."""
