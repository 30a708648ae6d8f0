"""`python -m services.intake`."""

from services.chassis.run import run
from services.intake.app import main

if __name__ == "__main__":
    run("intake", main)
