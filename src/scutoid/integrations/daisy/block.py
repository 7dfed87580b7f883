"""Blocks, where ``from daisy.block import Block, BlockStatus`` looks for them."""

from scutoid.integrations.daisy._block import Block, BlockStatus

__all__ = ["Block", "BlockStatus"]
