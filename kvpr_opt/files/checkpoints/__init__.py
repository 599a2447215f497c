"""Models on disk: what their weights and their KV cache take, exactly in bytes."""
