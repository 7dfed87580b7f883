"""What the tests of all folders share."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says nothing on a machine that other work shares
settings.register_profile("scutoid", deadline=None)
settings.load_profile("scutoid")
