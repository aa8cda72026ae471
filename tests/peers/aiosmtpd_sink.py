"""Takes mail with aiosmtpd and writes a line of JSON for each message: what exactly arrived.

Prints its port once it listens, and ends when its standard input does.
"""

import hashlib
import json
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

# Far above RFC 5321 section 4.5.3.1.6: the server is to judge bytes, not their number.
SMTP.line_length_limit = 1 << 20


class Handler:
    def __init__(self, path):
        self.out = open(path, "a", encoding="utf-8")

    async def handle_DATA(self, server, session, envelope):
        content = envelope.original_content
        row = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "mail_from": envelope.mail_from,
            "rcpt_tos": envelope.rcpt_tos,
        }
        self.out.write(json.dumps(row) + "\n")
        self.out.flush()
        return "250 2.0.0 taken"


controller = Controller(
    Handler(sys.argv[1]),
    hostname="127.0.0.1",
    port=int(sys.argv[2]),
    decode_data=False,
    enable_SMTPUTF8=True,
    data_size_limit=1 << 30,
)
controller.start()
sys.stdin.read()
controller.stop()
