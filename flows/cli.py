"""The command line: one function a command (in `flows.commands`), errors turned into messages and exit codes here.

Exit codes: 0 done, 1 unexpected error, 2 refused (bad data, bad configuration, a gate said no).
"""

from __future__ import annotations

import os
import sys

import typer

from flows.commands import bench, doctor, gate, mix, registry, render, run, sample, select, serve, validate, verify
from flows.terminal import refuse
from tasks.runtime.errors import DiskFullError, WinnowError, is_disk_full
from tasks.runtime.home import configure_environment

app = typer.Typer(
    name="winnow",
    help="Make a chat model better every night, and never let it get worse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    run.demo,
    run.run,
    run.plan,
    validate.validate,
    mix.mix,
    render.render,
    sample.sample,
    verify.verify,
    select.select,
    sample.evaluate,
    gate.gate,
    doctor.doctor,
    serve.serve,
    serve.stop,
):
    app.command()(command)
app.add_typer(registry.app, name="registry")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line and end the process with its exit code."""
    configure_environment()
    try:
        app()
    except WinnowError as error:
        refuse(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if not is_disk_full(error):
            raise
        refuse(f"disk full ({error}): free space, or set WINNOW_HOME to another disk")
        sys.exit(DiskFullError.exit_code)
    except KeyboardInterrupt:
        refuse("interrupted; run the same command again to go on where it stopped")
        os._exit(130)


if __name__ == "__main__":
    main()
