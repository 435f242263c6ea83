"""The page Prompts: what each learned prompt says and is worth."""
