"""The line protocol of the Python drivers: one JSON object in, one out; start runs beside and join waits for it."""
import json
import sys
import threading


def serve(driver, is_error):
    """driver: an object with a method for each op. is_error(e): (sqlstate, message) of a database error, else None."""
    running = {}

    def call(op, args):
        try:
            return getattr(driver, op)(**args) or {}
        except Exception as e:  # pylint: disable=broad-except
            known = is_error(e)
            code, message = known if known else ("", f"{type(e).__name__}: {e}")
            return {"error": {"code": code, "message": message}}

    for line in sys.stdin:
        args = json.loads(line)
        op = args.pop("op")
        if op == "start":
            slot = {}
            thread = threading.Thread(target=lambda a=args, s=slot: s.update(call("run", a)), daemon=True)
            running.update(thread=thread, slot=slot)
            thread.start()
            answer = {}
        elif op == "join":
            running["thread"].join()
            answer = running["slot"]
        else:
            answer = call(op, args)
        print(json.dumps(answer), flush=True)
