"""What the WSGI server loads: `granian --interface wsgi board:app`."""

import os
import resource

from visitor_board.engines import open_store
from visitor_board.visits import Visits
from visitor_board.web import create_app, instance_name

if "MESSAGES_URL" not in os.environ:
    raise SystemExit("MESSAGES_URL is not set: give sqlite:///PATH or dynamodb://TABLE?region=REGION")

# Each waiting connection is an open file, and many systems allow a program 1,024 unless it asks for more.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_files = 10_240 if _most == resource.RLIM_INFINITY else min(_most, 10_240)
resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _most))

_store = open_store(os.environ["MESSAGES_URL"])
_visits = Visits(_store)
_visits.start_flushing()

app = create_app(_store, _visits, instance=instance_name(os.environ))

print(f"ready; messages are kept in {os.environ['MESSAGES_URL'].partition('?')[0]}", flush=True)
