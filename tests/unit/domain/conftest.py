"""Examples that are made up take as long as this machine makes them take: no deadline for each of them."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
