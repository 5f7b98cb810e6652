"""`bulkhead monitor` as a script."""

from bulkhead.script import command

cli = command("monitor", "A deployed market in the terminal, as its keepers see it.")

if __name__ == "__main__":
    cli()
