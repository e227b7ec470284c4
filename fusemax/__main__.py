"""``python -m fusemax``: the command line, where the package lies on the path and nothing is installed."""

from fusemax.cli import main

if __name__ == "__main__":
    main()
