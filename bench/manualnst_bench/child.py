"""The measured process: calls one function, and writes a JSON line for all that it tells."""

import importlib
import json
import os
import sys


def main(target: str, arguments: str) -> None:
    # Whatever a library prints must not get in between.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(kind: str, value: object) -> None:
        print(json.dumps([kind, value]), file=channel, flush=True)

    from manualnst.errors import InputError

    from .sides import in_a_line

    module, function = target.split(":")
    try:
        measure = getattr(importlib.import_module(f".{module}", __package__), function)
        result = measure(**json.loads(arguments), tell=lambda text: send("doing", text))
    except InputError as error:
        send("refused", str(error))
    except Exception as error:
        send("failed", in_a_line(error))
    else:
        send("result", result)


if __name__ == "__main__":
    main(*sys.argv[1:])
