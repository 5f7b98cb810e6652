"""`bulkhead keeper` as a script."""

from bulkhead.script import command

cli = command("keeper", "The upkeep of a deployed market, for its fees.")

if __name__ == "__main__":
    cli()
