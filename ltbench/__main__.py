"""``python -m ltbench`` is ``ltbench``."""

from ltbench.cli.main import main

if __name__ == "__main__":
    main()
