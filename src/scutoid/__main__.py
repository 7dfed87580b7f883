"""``python -m scutoid`` is the command ``scutoid``."""

from scutoid.cli import main

if __name__ == "__main__":
    main()
