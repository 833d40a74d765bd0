"""Ask once for a generated image; its bytes end up once in your own bucket."""
