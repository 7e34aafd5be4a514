"""A web server of our own, for what is fetched."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(bodies):
    """The address of a server with ``bodies``: {"/name": (octets, the length that it announces)}; 404 for all else."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in bodies:
                return self.send_error(404)
            octets, length = bodies[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(octets)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
