"""``python -m evalkit.cli``."""

from evalkit.cli import main

if __name__ == "__main__":
    main()
