#include "proxy/limits.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proxy/doctor.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;

namespace {

// 1000 clients on TCP, and one server that may have 100 connections under way beside 32 idle ones.
conf::settings some_settings() {
    conf::settings made = test::make_settings({{"app", {"10.0.0.1:9001"}}});
    made.listen.push_back({test::make_address(":80", conf::address_use::listen), {}});
    made.client.max_connections = 1000;
    made.upstreams["app"].servers[0].max_in_flight = 100;
    return made;
}

// A machine on which they fit with nothing to spare.
machine just_enough() {
    machine made;
    made.open_files = 1000 + 132 + 64;
    made.soft_open_files = made.open_files;
    made.most_for_limit = made.open_files;
    made.all_open_files = made.open_files;
    made.accept_queue = 1000;
    made.syn_queue = 1000;
    made.syn_cookies = 0;
    made.orphans = 1000;
    made.packet_queue = 1000;
    made.window_scaling = 1;
    made.tcp_pages = 2 * (1000 + 132);
    made.first_port = 1024;
    made.last_port = 1024 + 131;
    made.port_reuse = 0;
    made.connections = 2 * (1000 + 132);
    made.free_memory = (256 + 64 + 32) * conf::mebibyte + 1000 * 4 * conf::kibibyte;
    made.free_disk = 10 * conf::gibibyte;
    return made;
}

const finding* find(const std::vector<finding>& all, std::string_view limit) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const finding& each) { return each.limit == limit; });
    return found == all.end() ? nullptr : &*found;
}

// The limits that do not fit.
std::vector<std::string> unfit(const std::vector<finding>& all) {
    std::vector<std::string> names;
    for (const finding& each : all)
        if (!each.fits()) names.push_back(each.limit);
    return names;
}

}  // namespace

TEST_CASE("a machine with just enough fits, limit by limit", "[proxy][limits]") {
    const auto findings = judge(some_settings(), just_enough());
    CHECK(unfit(findings).empty());
    CHECK(findings.size() == 13);
}

TEST_CASE("one less does not fit, and the cure is the line to change", "[proxy][limits]") {
    struct row {
        std::optional<std::uint64_t> machine::*number;
        std::string limit;
        std::string cure;
    };
    const auto [number, limit, cure] = GENERATE(values<row>({
        {&machine::open_files, "open files (RLIMIT_NOFILE)",
         "LimitNOFILE=1196 in the unit (systemctl edit weir); for a shell \"* hard nofile 1196\" in "
         "/etc/security/limits.conf"},
        {&machine::most_for_limit, "fs.nr_open", "fs.nr_open = 1196"},
        {&machine::all_open_files, "fs.file-max", "fs.file-max = 1196"},
        {&machine::accept_queue, "net.core.somaxconn", "net.core.somaxconn = 1000"},
        {&machine::syn_queue, "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_syn_backlog = 1000"},
        {&machine::orphans, "net.ipv4.tcp_max_orphans", "net.ipv4.tcp_max_orphans = 1000"},
        {&machine::packet_queue, "net.core.netdev_max_backlog", "net.core.netdev_max_backlog = 1000"},
        {&machine::window_scaling, "net.ipv4.tcp_window_scaling", "net.ipv4.tcp_window_scaling = 1"},
        {&machine::tcp_pages, "net.ipv4.tcp_mem", "net.ipv4.tcp_mem = 1132 1509 2264"},
        {&machine::last_port, "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_port_range = 1024 65535"},
        {&machine::connections, "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_max = 2264"},
        {&machine::free_memory, "memory",
         "lower cache.memory, buffering.memory_max or client.max_connections, or raise MemoryMax= of the unit"},
        {&machine::free_disk, "spool_dir /var/tmp",
         "lower buffering.spool_max, or name a folder on a larger disk in buffering.spool_dir"},
    }));
    CAPTURE(limit);
    machine on = just_enough();
    --*(on.*number);
    const auto findings = judge(some_settings(), on);
    CHECK(unfit(findings) == std::vector<std::string>{limit});
    const finding* const bad = find(findings, limit);
    REQUIRE(bad != nullptr);
    CHECK(bad->cure == cure);
}

TEST_CASE("what the system does not tell is not judged", "[proxy][limits]") {
    CHECK(judge(some_settings(), machine{}).empty());
}

TEST_CASE("with auto a machine is judged for some thousands of clients", "[proxy][limits]") {
    auto settings = some_settings();
    settings.client.max_connections.reset();
    CHECK(clients_to_hold(settings) == 4096);
    machine on = just_enough();
    on.open_files = 1024;
    CHECK_FALSE(find(judge(settings, on), "open files (RLIMIT_NOFILE)")->fits());
    on.open_files = 4096 + 132 + 64;
    CHECK(find(judge(settings, on), "open files (RLIMIT_NOFILE)")->fits());
}

TEST_CASE("auto leaves descriptors for endpoints, and half of very few", "[proxy][limits]") {
    CHECK(clients_within(20'000) == 18'936);
    CHECK(clients_within(1'024) == 909);
    CHECK(clients_within(64) == 32);
    CHECK(clients_within(0) == 0);
}

TEST_CASE("connections to servers need descriptors too", "[proxy][limits]") {
    auto settings = some_settings();
    auto& upstream = settings.upstreams["app"];
    const auto needed = [&] { return find(judge(settings, just_enough()), "fs.nr_open")->needed; };
    CHECK(needed() == "1196");  // 1000 clients, 100 in flight, 32 idle, 64 others
    upstream.servers.push_back(upstream.servers[0]);
    CHECK(needed() == "1328");
    upstream.servers[1].max_in_flight.reset();  // a twentieth of the clients, over all servers
    CHECK(needed() == "1178");
    upstream.servers[1].max_in_flight = 100'000;  // no more than there are clients
    CHECK(needed() == "2128");
    upstream.keepalive.reset();
    CHECK(needed() == "2064");
}

TEST_CASE("the queues of listeners need hold no more than there are clients, nor than weir asks for",
          "[proxy][limits]") {
    auto settings = some_settings();
    settings.client.max_connections = 1'000'000;
    CHECK(find(judge(settings, just_enough()), "net.core.somaxconn")->needed == "4096");
    settings.client.max_connections = 7;
    CHECK(find(judge(settings, just_enough()), "net.core.somaxconn")->needed == "7");
}

TEST_CASE("syn cookies make up for a short queue", "[proxy][limits]") {
    machine on = just_enough();
    on.syn_queue = 16;
    on.syn_cookies = 1;
    const auto findings = judge(some_settings(), on);
    CHECK(unfit(findings).empty());
    CHECK(find(findings, "net.ipv4.tcp_syncookies") != nullptr);
}

TEST_CASE("limits of TCP do not matter where there is none", "[proxy][limits]") {
    auto settings = some_settings();
    settings.listen[0].address = test::make_address("unix:/run/weir.sock", conf::address_use::listen);
    settings.upstreams["app"].servers[0].address = test::make_address("unix:/run/app.sock");
    const auto findings = judge(settings, just_enough());
    for (const char* const name :
         {"net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_orphans", "net.ipv4.tcp_mem", "net.ipv4.tcp_window_scaling",
          "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_tw_reuse"}) {
        CAPTURE(name);
        CHECK(find(findings, name) == nullptr);
    }
    CHECK(find(findings, "net.core.somaxconn") != nullptr);
}

TEST_CASE("no range of ports is enough for too many connections to one server", "[proxy][limits]") {
    auto settings = some_settings();
    settings.client.max_connections = 100'000;
    settings.upstreams["app"].servers[0].max_in_flight = 100'000;
    const auto findings = judge(settings, just_enough());
    const auto* const ports = find(findings, "net.ipv4.ip_local_port_range");
    REQUIRE(ports != nullptr);
    CHECK(ports->needed == "100032 to 10.0.0.1:9001");
    CHECK(ports->cure == "lower max_in_flight or max_idle of 10.0.0.1:9001, or let it listen on several ports");
}

TEST_CASE("a port that somebody listens on here is not to be given to a connection", "[proxy][limits]") {
    auto settings = some_settings();
    settings.listen.push_back({test::make_address("127.0.0.1:0", conf::address_use::listen), {}});
    settings.listen.push_back({test::make_address(":8080", conf::address_use::listen), {}});
    settings.admin.listen = test::make_address("127.0.0.1:8881", conf::address_use::listen);
    auto& servers = settings.upstreams["app"].servers;
    for (const char* const address : {"127.0.0.1:9001", "localhost:9002", "10.0.0.1:9003", "unix:/a"})
        servers.push_back({test::make_address(address)});
    machine on = just_enough();
    on.first_port = 1024;
    on.last_port = 9001;
    const char* const name = "net.ipv4.ip_local_reserved_ports";
    const std::string wanted = "8080,8881,9001";

    SECTION("those that can be given are named") {
        const auto findings = judge(settings, on);
        CHECK(find(findings, name)->found == "none");
        CHECK(find(findings, name)->needed == wanted);
        CHECK(find(findings, name)->cure == std::string(name) + " = " + wanted);
    }
    SECTION("what is reserved stays so, and one may lie in a range") {
        const auto [reserved, cure] = GENERATE(table<std::string, std::string>({
            {"8000-8999,9001", ""},
            {"8080-8081,8881-9001", ""},
            {"53,8080", "53,8080,8881,9001"},
            {"8082-8881", "8082-8881,8080,9001"},
            {"9001-", "9001-,8080,8881,9001"},
        }));
        CAPTURE(reserved);
        on.reserved_ports = reserved;
        const auto findings = judge(settings, on);
        CHECK(find(findings, name)->found == reserved);
        CHECK(find(findings, name)->cure == (cure.empty() ? "" : std::string(name) + " = " + cure));
    }
    SECTION("outside of the range all is well") {
        on.first_port = 32768;
        on.last_port = 60999;
        CHECK(find(judge(settings, on), name) == nullptr);
    }
    SECTION("a range that is to be widened is judged as it will be") {
        on.first_port = 32768;
        on.last_port = 32769;
        const auto findings = judge(settings, on);
        CHECK(find(findings, "net.ipv4.ip_local_port_range")->cure == "net.ipv4.ip_local_port_range = 1024 65535");
        CHECK(find(findings, name)->needed == wanted + ",9002");
    }
    SECTION("without the range, nothing") {
        on.first_port.reset();
        CHECK(find(judge(settings, on), name) == nullptr);
    }
}

TEST_CASE("reuse of ports matters without keep-alive only, and nearby less", "[proxy][limits]") {
    const auto [address, keepalive, reuse, fits] = GENERATE(table<std::string, bool, unsigned, bool>({
        {"10.0.0.1:1", false, 0, false},
        {"10.0.0.1:1", false, 2, false},
        {"10.0.0.1:1", false, 1, true},
        {"127.0.0.1:1", false, 0, false},
        {"127.0.0.1:1", false, 2, true},
        {"127.0.0.1:1", false, 1, true},
        {"10.0.0.1:1", true, 0, true},
        {"unix:/a", false, 0, true},
    }));
    CAPTURE(address, keepalive, reuse);
    auto settings = some_settings();
    auto& upstream = settings.upstreams["app"];
    upstream.servers[0].address = test::make_address(address);
    if (!keepalive) upstream.keepalive.reset();
    machine on = just_enough();
    on.port_reuse = reuse;
    const auto findings = judge(settings, on);
    const auto expected = fits ? std::vector<std::string>{} : std::vector<std::string>{"net.ipv4.tcp_tw_reuse"};
    CHECK(unfit(findings) == expected);
    if (fits) return;
    const finding& bad = *find(findings, "net.ipv4.tcp_tw_reuse");
    CHECK(bad.found == std::to_string(reuse) + ", which leaves 2 new connections a second");
    CHECK(bad.cure == "net.ipv4.tcp_tw_reuse = 1");
}

TEST_CASE("a spool that is off needs no folder, and one that is on needs a good one", "[proxy][limits]") {
    auto settings = some_settings();
    machine on = just_enough();
    on.free_disk.reset();
    on.spool_fault = "it does not exist";
    CHECK(unfit(judge(settings, on)) == std::vector<std::string>{"spool_dir /var/tmp"});
    settings.buffering.spool_max_bytes.reset();
    CHECK(unfit(judge(settings, on)).empty());
}

TEST_CASE("/dev/null is only mentioned when it does not open", "[proxy][limits]") {
    machine on = just_enough();
    on.null_fault = "Permission denied";
    CHECK(unfit(judge(some_settings(), on)) == std::vector<std::string>{"/dev/null"});
}

TEST_CASE("memory limits are looked for in all cgroups around the process", "[proxy][limits]") {
    CHECK(memory_limit_files("0::/system.slice/weir.service\n") ==
          std::vector<std::string>{"/sys/fs/cgroup/system.slice/weir.service/memory.max",
                                   "/sys/fs/cgroup/system.slice/memory.max", "/sys/fs/cgroup/memory.max"});
    CHECK(memory_limit_files("0::/\n") == std::vector<std::string>{"/sys/fs/cgroup/memory.max"});
    CHECK(memory_limit_files("5:cpu,memory:/a\n4:devices:/b\n") ==
          std::vector<std::string>{"/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                                   "/sys/fs/cgroup/memory/memory.limit_in_bytes"});
    CHECK(memory_limit_files("").empty());
    CHECK(memory_limit_files("nonsense\n1:\n").empty());
}
