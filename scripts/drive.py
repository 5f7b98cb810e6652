"""`bulkhead drive` as a script."""

from bulkhead.script import command

cli = command("drive", "A local market through a crash, from deployment to liquidation.")

if __name__ == "__main__":
    cli()
