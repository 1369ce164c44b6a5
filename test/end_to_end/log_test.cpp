// What weir tells about its work: the access log, and the pages of the admin listener.
#include <catch2/catch.hpp>
#include <regex>
#include <sstream>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"

namespace weir::test {
namespace {

// The lines of an access log, once there are so many.
std::vector<std::string> lines_of(const std::string& path, std::size_t count) {
    std::vector<std::string> lines;
    const auto complete = [&] {
        lines.clear();
        std::istringstream text(read_file(path));
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines.size() >= count && read_file(path).ends_with('\n');
    };
    CHECK(eventually(complete));
    return lines;
}

scripted_origin::script pages() {
    return scripted_origin::answering([](const request& got) -> std::string {
        if (got.target == "/broken") return "no HTTP\r\n\r\n";
        return ok("answered", got.target.starts_with("/cached") ? "Cache-Control: max-age=60\r\n" : "");
    });
}

}  // namespace

TEST_CASE("the combined log has a line for each exchange", "[end_to_end][log]") {
    const temporary_folder folder;
    const auto path = folder.path("access.log");
    const origin_and_weir under_test(pages(), {.upstream = no_retry, .access_log = path});
    auto client = under_test.weir.client();
    client.ask_get("/cached?q", "Referer: http://other.example/\r\nUser-Agent: test/1 (a b)\r\n");
    client.ask_get("/cached?q");
    client.ask("POST /post HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx");
    under_test.weir.ask_get("/broken");
    under_test.weir.client().ask("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto lines = lines_of(path, 5);
    REQUIRE(lines.size() == 5);
    const std::string start = "127\\.0\\.0\\.1 - - \\[[0-3][0-9]/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \\+0000\\] ";
    const std::string endpoint = std::regex_replace(under_test.origin.address(), std::regex("\\."), "\\.");
    const std::string times = " [0-9]+\\.[0-9]+ [0-9]+\\.[0-9]+ ";
    const std::vector<std::string> expected = {
        start + "\"GET /cached\\?q HTTP/1\\.1\" 200 8 \"http://other\\.example/\" \"test/1 \\(a b\\)\"" + times +
            endpoint + " miss - stored",
        start + "\"GET /cached\\?q HTTP/1\\.1\" 200 8 \"-\" \"-\" [0-9]+\\.[0-9]+ - - hit - -",
        start + "\"POST /post HTTP/1\\.0\" 200 8 \"-\" \"-\"" + times + endpoint + " pass - method",
        start + "\"GET /broken HTTP/1\\.1\" 502 [0-9]+ \"-\" \"-\"" + times + endpoint + " miss - uri-miss",
        start + "\"-\" 400 [0-9]+ \"-\" \"-\" [0-9]+\\.[0-9]+ - - - - -",
    };
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(lines[i], expected[i]);
        CHECK(std::regex_match(lines[i], std::regex(expected[i])));
    }
}

TEST_CASE("no client writes a line of the log itself", "[end_to_end][log][escaping]") {
    const temporary_folder folder;
    const auto path = folder.path("access.log");
    const origin_and_weir under_test(pages(), {.access_log = path});
    under_test.weir.ask_get("/", "User-Agent: a\" \"b\\c\xe9\t\r\nReferer: \"\r\n");
    const auto lines = lines_of(path, 1);
    REQUIRE(lines.size() == 1);
    CAPTURE(lines[0]);
    // The request, the referrer and the agent, each between two quotes.
    CHECK(occurrences(lines[0], "\"") == 6);
    CHECK(lines[0].find("\\x22") != std::string::npos);
    CHECK(lines[0].find("\\x5C") != std::string::npos);
    CHECK(lines[0].find('\xe9') == std::string::npos);
    CHECK(lines[0].find('\t') == std::string::npos);
}

TEST_CASE("the JSON log is one object a line, whatever clients send", "[end_to_end][log][escaping]") {
    const temporary_folder folder;
    const auto path = folder.path("access.log");
    auto yaml = configuration{.upstream = no_retry, .access_log = path + ", format: json"};
    const origin_and_weir under_test(pages(), yaml);
    auto client = under_test.weir.client();
    client.ask_get("/cached", "User-Agent: a\"\\\xff\xc3\xa9\r\n");
    client.ask_get("/cached");
    under_test.weir.ask_get("/broken");
    const auto lines = lines_of(path, 3);
    REQUIRE(lines.size() == 3);
    const auto miss = parse_json(lines[0]).as_object();
    CHECK(miss.at("client").as_string() == "127.0.0.1");
    CHECK(miss.at("method").as_string() == "GET");
    CHECK(miss.at("target").as_string() == "/cached");
    CHECK(miss.at("host").as_string() == "test.example");
    CHECK(miss.at("status").to_number<int>() == 200);
    CHECK(miss.at("content_bytes_sent").to_number<int>() == 8);
    CHECK(miss.at("endpoint").as_string() == under_test.origin.address());
    CHECK(miss.at("upstream").as_string() == "app");
    CHECK(miss.at("cache").as_string() == "miss");
    CHECK(miss.at("upstream_duration").is_number());
    CHECK(miss.at("request_id").as_string() == under_test.origin.seen().at(0).text("X-Request-ID"));
    CHECK(miss.at("user_agent").as_string().starts_with("a\"\\"));
    CHECK(miss.at("user_agent").as_string().ends_with("\xc3\xa9"));
    const auto hit = parse_json(lines[1]).as_object();
    CHECK(hit.at("cache").as_string() == "hit");
    CHECK(hit.at("upstream_duration").is_null());
    const auto error = parse_json(lines[2]).as_object();
    CHECK(error.at("status").to_number<int>() == 502);
    CHECK(error.at("error").as_string() == "bad-response");
}

TEST_CASE("the access log goes to standard output where nothing else is said", "[end_to_end][log]") {
    origin_and_weir under_test(pages(), {.access_log = "stdout"});
    under_test.weir.ask_get("/page");
    CHECK(under_test.weir.program().wait_for_output_line("/page").find("\"GET /page HTTP/1.1\" 200 8 ") !=
          std::string::npos);
}

TEST_CASE("the admin listener tells the state of everything", "[end_to_end][admin]") {
    const refusing_port down;
    const scripted_origin origin(pages());
    const weir_instance weir(configuration{.servers = {origin.address(), down.address()}, .workers = 2, .admin = true});
    auto client = weir.client();
    for (int i = 0; i < 3; ++i) client.ask_get("/cached");
    client.ask_get("/page");
    client.ask_get("/page");
    // An exchange is counted when its response has gone, so the last one may lag behind what the client has seen.
    const auto responses = [&] {
        return weir.status().as_object().at("upstreams").as_array().at(0).as_object().at("responses").as_object();
    };
    CHECK(eventually([&] { return responses().at("2xx").to_number<int>() == 5; }));
    const auto status = weir.status().as_object();
    CHECK(!status.at("version").as_string().empty());
    CHECK(status.at("generation").to_number<int>() == 1);
    CHECK(status.at("workers").to_number<int>() == 2);
    CHECK(status.at("uptime_seconds").to_number<int>() >= 0);
    const auto& upstream = status.at("upstreams").as_array().at(0).as_object();
    CHECK(upstream.at("name").as_string() == "app");
    const auto& endpoints = upstream.at("endpoints").as_array();
    REQUIRE(endpoints.size() == 2);
    CHECK(endpoints[0].as_object().at("address").as_string() == origin.address());
    CHECK(endpoints[0].as_object().at("state").as_string() == "up");
    CHECK(endpoints[0].as_object().at("requests").to_number<int>() == 3);
    CHECK(endpoints[0].as_object().at("idle_connections").to_number<int>() == 1);
    CHECK(endpoints[0].as_object().at("in_flight").to_number<int>() == 0);
    CHECK(endpoints[1].as_object().at("failures").to_number<int>() >= 1);
    const auto& cache = status.at("cache").as_object();
    CHECK(cache.at("responses").to_number<int>() == 1);
    CHECK(cache.at("requests").as_object().at("hit").to_number<int>() == 2);
    CHECK(status.at("clients").as_object().at("requests").to_number<int>() == 5);
    // That it refused is to be seen for a second.
    CHECK(eventually([&] {
        client.ask_get("/page");
        const auto now = weir.status();
        const auto& servers = now.at("upstreams").as_array().at(0).at("endpoints").as_array();
        return servers.at(1).at("state").as_string() != "up";
    }));
}

TEST_CASE("metrics are Prometheus text", "[end_to_end][admin]") {
    const origin_and_weir under_test(pages(), {.admin = true});
    auto client = under_test.weir.client();
    for (int i = 0; i < 3; ++i) client.ask_get("/cached");
    const std::string counted = "\nweir_request_duration_seconds_count 3\n";
    CHECK(eventually([&] { return under_test.weir.ask_admin("/metrics").content.find(counted) != std::string::npos; }));
    const auto got = under_test.weir.ask_admin("/metrics");
    CHECK(got.status == 200);
    CHECK(got.text("Content-Type").starts_with("text/plain"));
    for (const std::string line :
         {"weir_requests_total{upstream=\"app\",class=\"2xx\"} 3", "weir_cache_requests_total{outcome=\"hit\"} 2",
          "weir_responses_total{class=\"2xx\"} 3", "weir_client_connections_accepted_total 1",
          "weir_upstream_connections_opened_total 1"}) {
        CAPTURE(line);
        CHECK(got.content.find('\n' + line + '\n') != std::string::npos);
    }
    const std::regex sample(
        "(#.*|[a-z_:]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\\})? [-+0-9.eE]+|[a-z_:]+\\{.*\\} \\+Inf)");
    std::istringstream lines(got.content);
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK(std::regex_match(line, sample));
    }
}

TEST_CASE("the admin listener is for this machine's own tools", "[end_to_end][admin][security]") {
    const origin_and_weir under_test(pages(), {.admin = true});
    CHECK(under_test.weir.ask_admin("/healthz").status == 200);
    CHECK(under_test.weir.ask_admin("/nowhere").status == 404);
    CHECK(under_test.weir.ask_admin("/status", "Origin: http://evil.example\r\n").status >= 400);
    raw_client rebound(under_test.weir.admin_port());
    CHECK(rebound.ask("GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n").status >= 400);
    raw_client posting(under_test.weir.admin_port());
    CHECK(
        posting
            .ask("POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
            .status >= 400);
    // And it is not reached through the front door.
    CHECK(under_test.weir.ask_get("/status").content == "answered");
}

TEST_CASE("health turns bad while weir drains", "[end_to_end][admin][drain]") {
    gate finish;
    origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            finish.wait();
            one.send(ok("answered"));
            one.wait_for_end();
        },
        {.admin = true});
    auto client = under_test.weir.client();
    client.send(get("/"));
    under_test.origin.wait_for_requests(1);
    CHECK(under_test.weir.ask_admin("/healthz").status == 200);
    under_test.weir.program().signal(15);
    CHECK(eventually([&] { return under_test.weir.ask_admin("/healthz").status == 503; }));
    finish.open();
    CHECK(client.read_response().content == "answered");
    CHECK(under_test.weir.program().wait() == 0);
}

}  // namespace weir::test
