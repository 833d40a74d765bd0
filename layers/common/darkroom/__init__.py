"""Ask once for a generated image; its bytes end up once in your own bucket."""

__version__ = "0.1.0"
"""The one place that states the version. The package's metadata, the OpenAPI document and each User-Agent read it here."""
