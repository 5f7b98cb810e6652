"""`bulkhead deploy` as a script."""

from bulkhead.script import command

cli = command("deploy", "Factory and markets to a network: plan, checks, record, verification.")

if __name__ == "__main__":
    cli()
