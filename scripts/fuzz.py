"""`bulkhead fuzz` as a script."""

from bulkhead.script import command

cli = command("fuzz", "Random histories against the model and every invariant.")

if __name__ == "__main__":
    cli()
