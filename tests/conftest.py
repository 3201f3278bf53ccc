"""Settings that all tests share."""

from hypothesis import settings

settings.register_profile("fraud", deadline=None)  # A shared machine pauses; that is no fault of the code.
settings.load_profile("fraud")
