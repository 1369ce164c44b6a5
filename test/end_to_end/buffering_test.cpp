// A worker is released at once: it never waits for a client's network, and what memory does not hold goes to the spool.
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

// More than the kernel holds for a client that reads nothing.
constexpr std::size_t long_page = 24 * 1024 * 1024;

configuration buffering(const std::string& settings) {
    configuration parts;
    parts.upstream = "    max_in_flight: 1\n    timeouts: {read: 5s}\n";
    parts.route = no_cache;
    parts.top = "buffering: {" + settings + "}\n";
    parts.admin = true;
    return parts;
}

double metric(const weir_instance& weir, const std::string& name) {
    const std::string text = weir.ask_admin("/metrics").content;
    const std::size_t at = text.find("\n" + name);
    REQUIRE(at != std::string::npos);
    const std::size_t number = text.find(' ', at) + 1;
    return std::stod(text.substr(number, text.find('\n', number) - number));
}

}  // namespace

TEST_CASE("a client that reads nothing does not hold its endpoint", "[end_to_end][buffering][spool]") {
    const std::string page = noise(long_page);
    const origin_and_weir under_test(scripted_origin::answering([&](const request& asked) {
                                         return asked.target == "/long" ? ok(page) : ok("short");
                                     }),
                                     buffering("memory_max: 1MiB, spool_max: 100MiB"));
    auto slow = under_test.weir.client();
    slow.send(get("/long"));
    // The only slot is free again although nobody has read the page.
    CHECK(under_test.weir.ask_get("/").content == "short");
    CHECK(metric(under_test.weir, "weir_spool_bytes") > 1e6);
    CHECK(metric(under_test.weir, "weir_buffer_bytes") < 2e6);
    CHECK(sha256(slow.read_response().content) == sha256(page));
    CHECK(metric(under_test.weir, "weir_spool_written_bytes_total") > 1e6);
    CHECK(eventually([&] { return metric(under_test.weir, "weir_endpoint_seconds_saved_total") > 0; }));
    CHECK(eventually([&] { return metric(under_test.weir, "weir_spool_bytes") == 0; }));
}

TEST_CASE("with the spool used up or off reading from the endpoint pauses, and nothing is lost",
          "[end_to_end][buffering][spool]") {
    const std::string page = noise(long_page, 2);
    const std::string spool = GENERATE("spool_max: off", "spool_max: 1MiB", "spool_dir: /nowhere/at/all");
    CAPTURE(spool);
    const origin_and_weir under_test(scripted_origin::answering(ok(page)), buffering("memory_max: 1MiB, " + spool));
    auto slow = under_test.weir.client();
    slow.send(get("/"));
    const response head = read_response_head(slow.stream());
    CHECK(head.status == 200);
    CHECK(metric(under_test.weir, "weir_spool_bytes") < 2e6);
    CHECK(metric(under_test.weir, "weir_buffer_bytes") < 2e6);
    CHECK(sha256(slow.stream().take(page.size())) == sha256(page));
}

TEST_CASE("a streamed response goes at the client's pace", "[end_to_end][buffering]") {
    const std::string page = noise(long_page, 3);
    const auto [settings, field] = GENERATE(table<std::string, std::string>({
        {"response: off", ""},
        {"response: 256KiB", "X-Accel-Buffering: no\r\n"},
        {"response: 256KiB", "Content-Type: text/event-stream; charset=utf-8\r\n"},
    }));
    CAPTURE(settings, field);
    gate sent;
    const origin_and_weir under_test(
        [&, field = field](origin_connection& one) {
            one.read_request();
            one.send(ok(page, field));
            sent.open();
        },
        buffering(settings));
    auto slow = under_test.weir.client();
    slow.send(get("/"));
    CHECK(read_response_head(slow.stream()).status == 200);
    CHECK(metric(under_test.weir, "weir_spool_written_bytes_total") == 0);
    CHECK_FALSE(sent.is_open());
    CHECK(sha256(slow.stream().take(page.size())) == sha256(page));
    sent.wait();
}

TEST_CASE("an endpoint is not asked before the request's content is here whole", "[end_to_end][buffering][spool]") {
    const std::string content = noise(1024 * 1024, 4);
    const bool chunked = GENERATE(false, true);
    CAPTURE(chunked);
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& asked) { return ok(sha256(asked.content)); }),
        buffering("memory_max: 1MiB"));
    auto slow = under_test.weir.client();
    const std::string body = chunked ? in_chunks(content, 50'000) : content;
    const std::string framing =
        chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: " + std::to_string(content.size()) + "\r\n";
    slow.send("POST /upload HTTP/1.1\r\nHost: test.example\r\n" + framing + "\r\n");
    slow.send(std::string_view(body).substr(0, body.size() - 1000));
    // The endpoint has one slot, and it is free.
    CHECK(under_test.weir.ask_get("/").status == 200);
    CHECK(eventually([&] { return metric(under_test.weir, "weir_spool_bytes") > 500'000; }));
    CHECK(under_test.origin.requests() == 1);
    slow.send(std::string_view(body).substr(body.size() - 1000));
    CHECK(slow.read_response("POST").content == sha256(content));
    CHECK(under_test.origin.last().value("Content-Length") == std::to_string(content.size()));
    CHECK(eventually([&] { return metric(under_test.weir, "weir_spool_bytes") == 0; }));
}

TEST_CASE("an upload that neither memory nor spool can hold is streamed rather than stuck", "[end_to_end][buffering]") {
    const std::string content = noise(4 * 1024 * 1024, 5);
    const bool chunked = GENERATE(false, true);
    CAPTURE(chunked);
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& asked) { return ok(sha256(asked.content)); }),
        buffering("memory_max: 1MiB, spool_max: off"));
    auto client = under_test.weir.client();
    const std::string got =
        chunked
            ? client.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(content, 9999))
                  .content
            : client.ask(post("/", content)).content;
    CHECK(got == sha256(content));
}

TEST_CASE("a spooled upload is sent again to another endpoint when the first one dies",
          "[end_to_end][buffering][retry]") {
    const std::string content = noise(2 * 1024 * 1024, 6);
    scripted_origin first([](origin_connection& one) {
        one.read_request_head();
        one.stream().take(500'000);
        one.reset();
    });
    scripted_origin second(scripted_origin::answering([](const request& asked) { return ok(sha256(asked.content)); }));
    configuration parts;
    parts.servers = {"{address: " + first.address() + ", weight: 100}", second.address()};
    parts.route = no_cache;
    const weir_instance weir(parts);
    const response got = weir.ask("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(content.size()) +
                                  "\r\n\r\n" + content);
    CHECK(got.status == 200);
    CHECK(got.content == sha256(content));
    CHECK(first.requests() == 1);
}

TEST_CASE("an early answer to a spooled upload is passed on", "[end_to_end][buffering]") {
    const std::string content = noise(8 * 1024 * 1024, 7);
    const origin_and_weir under_test([](origin_connection& one) {
        one.read_request_head();
        one.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong");
        one.wait_for_end();
    });
    auto client = under_test.weir.client();
    const response got = client.ask(post("/", content));
    CHECK(got.status == 413);
    CHECK(got.content == "long");
}

TEST_CASE("an upload below min_rate is dropped, however steadily it comes", "[end_to_end][buffering][min_rate]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("taken")), {.top = "client: {min_rate: 1KiB/s}\n"});
    auto slow = under_test.weir.client();
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    // The rate is that of ten seconds.
    for (int i = 0; i < 1000 && !slow.stream().readable(); ++i) {
        slow.send("x");
        eventually([&] { return slow.stream().readable(); }, std::chrono::milliseconds(50));
    }
    CHECK(slow.read_response("POST").status == 408);
    CHECK(under_test.origin.requests() == 0);
    CHECK(under_test.weir.ask(post("/", noise(100'000))).content == "taken");
}

}  // namespace weir::test
