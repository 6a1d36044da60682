"""Python's socketserver, which R2 is compared with: discard, chargen and the secret code, a thread a connection.

Behind its address, the congestion control to be used, and a number to add to its ports."""
from re import findall
from socket import IPPROTO_TCP, TCP_CONGESTION
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from sys import argv
from threading import Thread

RING = bytes(range(33, 127)) + b" "
TEXT = b"".join((RING * 2)[line:line + 72] + b"\r\n" for line in range(95)) * 149  # a megabyte a call

class Discard(BaseRequestHandler):
    def handle(self):
        buffer, count = bytearray(1 << 20), 0
        while got := self.request.recv_into(buffer):
            count += got
        print(count, flush=True)

class Chargen(BaseRequestHandler):
    def handle(self):
        try:
            while True:
                self.request.sendall(TEXT)
        except OSError:
            pass  # the reader has had enough

class Secret(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            answer = b"Secret code not found.\n"
            if b"SECRET" in line:
                digits = b"".join(findall(rb"[0-9]", line))
                answer = b"Digits: %s Count: %d\n" % (digits, len(digits))
            self.wfile.write(answer)

ThreadingTCPServer.allow_reuse_address = True
ThreadingTCPServer.daemon_threads = True
ThreadingTCPServer.request_queue_size = 1024  # its default of 5 makes a crowd of clients wait for repeated SYNs
CONTROLLER, BEHIND = argv[2:4] or ("", 0)
servers = [ThreadingTCPServer((argv[1], port + int(BEHIND)), handler) for port, handler in ((9, Discard), (19, Chargen), (5010, Secret))]
for server in servers:
    if CONTROLLER:
        server.socket.setsockopt(IPPROTO_TCP, TCP_CONGESTION, CONTROLLER.encode())
    Thread(target=server.serve_forever).start()
print("ready", flush=True)
