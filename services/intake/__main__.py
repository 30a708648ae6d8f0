"""`python -m services.intake`."""

from services.chassis.process.run import run
from services.intake.app import main

if __name__ == "__main__":
    run("intake", main)
