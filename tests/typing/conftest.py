"""Files that mypy reads and nobody imports."""

collect_ignore = ["accepted.py", "refused.py"]
