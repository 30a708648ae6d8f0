"""`python -m services.rules`: the rules service, settings from the environment."""

from services.chassis.process.run import run
from services.rules.app import main

if __name__ == "__main__":
    run("rules", main)
