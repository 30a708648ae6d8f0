"""`python -m services.notifier`."""

from services.chassis.process.run import run
from services.notifier.app import main

if __name__ == "__main__":
    run("notifier", main)
