"""That scripts/bench/page_cache would see a body that is no rendering: twice the page in one body was the fault in the mail."""
import os
import socketserver
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "bench"))

import bodies  # noqa: E402
import rendering  # noqa: E402

ONE, OTHER = rendering.page(1, 1106000000.25), rendering.page(2, 1106000001.5)


class Handler(socketserver.StreamRequestHandler):
    """Answers with the next of the server's bodies, and then with the last one."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        waiting = self.server.bodies
        length, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % length + body)


class BodiesTest(unittest.TestCase):
    def test_a_rendering_has_the_size_of_the_page_and_says_which_it_is(self):
        self.assertEqual((len(ONE), len(OTHER)), (rendering.SIZE, rendering.SIZE))
        self.assertEqual(rendering.rendering_of(ONE), (b"000000001", b"1106000000.250000"))
        self.assertEqual(rendering.rendering_of(OTHER), (b"000000002", b"1106000001.500000"))

    def test_what_is_no_whole_rendering_is_seen(self):
        for wrong in (b"", ONE + ONE, ONE[:-1], ONE + b"\n", ONE[1:], ONE.replace(b"line 0100", b"line 0101")):
            self.assertIsNone(rendering.rendering_of(wrong))

    def test_a_mixture_of_two_is_seen_wherever_they_meet(self):
        # Before the first and after the last byte in which they differ, a mixture is one of them.
        differs = [at for at in range(rendering.SIZE) if ONE[at] != OTHER[at]]
        for at in range(differs[0] + 1, differs[-1] + 1):
            self.assertIsNone(rendering.rendering_of(ONE[:at] + OTHER[at:]), at)

    def test_the_reader_counts_right_bodies_and_says_what_is_wrong(self):
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            size = rendering.SIZE
            # Right; twice with a length of twice; twice with a length of once; cut; and right from then on.
            server.bodies = [(size, ONE), (2 * size, ONE + ONE), (size, ONE + ONE), (size, ONE[:500]), (size, OTHER)]
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                with bodies.Reader(server.server_address[1], "/") as reader:
                    until = time.monotonic() + 60
                    while ("000000002", "1106000001.500000") not in reader.seen:
                        self.assertLess(time.monotonic(), until, (reader.wrong, reader.missing))
                        time.sleep(0.01)
            finally:
                server.shutdown()
                thread.join()
        self.assertEqual(reader.seen.pop(("000000001", "1106000000.250000")), 1)
        self.assertEqual(len(reader.seen), 1)
        self.assertEqual([text.split(",")[0] for text in reader.wrong], [f"{2 * size} bytes", f"{2 * size} bytes", "500 bytes"])
        self.assertEqual(reader.missing, [])


if __name__ == "__main__":
    unittest.main()
