#include "proxy/listener.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <string>

#include "test/proxy/settings.hpp"
#include "test/proxy/support.hpp"
#include "test/support/temporary_folder.hpp"

using namespace weir;
using namespace weir::proxy;

namespace {

conf::listen_address at(const std::string& text, std::optional<unsigned> mode = {}) {
    return {test::make_address(text, conf::address_use::listen), mode};
}

// A socket that listens, or why it does not.
struct opened {
    explicit opened(const conf::listen_address& where)
        : socket(open_listening_socket(where, why)), text(socket.descriptor < 0 ? "" : bound_text(socket, where)) {}
    ~opened() { close(); }
    opened(const opened&) = delete;
    opened& operator=(const opened&) = delete;
    void close() {
        if (socket.descriptor >= 0) ::close(std::exchange(socket.descriptor, -1));
    }

    std::string why;
    listening_socket socket;
    std::string text;
};

bool answers(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(client);
    return connected;
}

std::string not_free(const std::string& path) {
    return "cannot listen on unix:" + path +
           ": another program listens there, or a file that is no socket is in its place";
}

int option(int descriptor, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor, level, name, &value, &size);
    return value;
}

}  // namespace

TEST_CASE("a port that the system chose is told", "[proxy][listener]") {
    const opened one(at("127.0.0.1:0"));
    REQUIRE(one.socket.descriptor >= 0);
    CHECK(one.socket.family == AF_INET);
    CHECK(one.text.starts_with("127.0.0.1:"));
    CHECK(one.text != "127.0.0.1:0");
    CHECK(option(one.socket.descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK((::fcntl(one.socket.descriptor, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(one.socket.descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    const opened other(at("127.0.0.1:0"));
    CHECK(other.text != one.text);

    const opened anywhere(at(":0"));
    REQUIRE(anywhere.socket.descriptor >= 0);
    CHECK(anywhere.text.starts_with(":"));
    CHECK(anywhere.text.size() > 2);
}

TEST_CASE("an address that was given is told as it was given", "[proxy][listener]") {
    test::temporary_folder folder;
    const conf::listen_address where = at("unix:" + folder.path("weir.sock"));
    CHECK(opened(where).text == where.address.text);
    CHECK(bound_text({}, at("127.0.0.1:8880")) == "127.0.0.1:8880");
    CHECK(bound_text({}, at(":8880")) == ":8880");
}

TEST_CASE("a port in use is refused with a clear sentence", "[proxy][listener]") {
    const opened first(at("127.0.0.1:0"));
    REQUIRE(first.socket.descriptor >= 0);
    const opened second(at(first.text));
    CHECK(second.socket.descriptor == -1);
    CHECK(second.why == "cannot listen on " + first.text +
                            ": the port is in use; stop the program that has it or choose another under `listen`");
}

TEST_CASE("a port is free as soon as its listener is gone", "[proxy][listener]") {
    opened first(at("127.0.0.1:0"));
    REQUIRE(first.socket.descriptor >= 0);
    first.close();
    CHECK(opened(at(first.text)).text == first.text);
}

TEST_CASE("an address of another machine is refused with a clear sentence", "[proxy][listener]") {
    const opened elsewhere(at("192.0.2.1:0"));
    CHECK(elsewhere.socket.descriptor == -1);
    CHECK(elsewhere.why == "cannot listen on 192.0.2.1:0: this machine has no such address");
}

TEST_CASE("a unix socket that nobody listens on is replaced", "[proxy][listener]") {
    test::temporary_folder folder;
    const std::string path = folder.path("weir.sock");
    {
        const opened dead(at("unix:" + path));
        REQUIRE(dead.socket.descriptor >= 0);
        CHECK(answers(path));
    }
    REQUIRE_FALSE(answers(path));
    const opened live(at("unix:" + path));
    CHECK(live.why.empty());
    CHECK(live.socket.family == AF_UNIX);
    CHECK(answers(path));
}

TEST_CASE("a unix socket in use is left alone", "[proxy][listener]") {
    test::temporary_folder folder;
    const std::string path = folder.path("weir.sock");
    const opened first(at("unix:" + path));
    const opened second(at("unix:" + path));
    CHECK(second.socket.descriptor == -1);
    CHECK(second.why == not_free(path));
    CHECK(answers(path));
}

TEST_CASE("a file that is no socket is left alone", "[proxy][listener]") {
    test::temporary_folder folder;
    const std::string path = folder.path("precious");
    test::write_file(path, "data");
    const opened refused(at("unix:" + path));
    CHECK(refused.socket.descriptor == -1);
    CHECK(refused.why == not_free(path));
    CHECK(test::read_file(path) == "data");
}

TEST_CASE("a unix socket gets its mode", "[proxy][listener]") {
    test::temporary_folder folder;
    const unsigned mode = GENERATE(0600u, 0660u, 0777u);
    const std::string path = folder.path("weir.sock");
    const opened socket(at("unix:" + path, mode));
    REQUIRE(socket.socket.descriptor >= 0);
    struct stat info;
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == mode);
}

TEST_CASE("a unix socket that cannot be made says why", "[proxy][listener]") {
    test::temporary_folder folder;
    const auto why = [&](const std::string& path) {
        const opened refused(at("unix:" + path));
        CHECK(refused.socket.descriptor == -1);
        return refused.why;
    };
    CHECK(why(folder.path("no/such/folder")).ends_with(": No such file or directory"));
    conf::listen_address long_path = at("unix:/x");
    long_path.address.path = "/" + std::string(200, 'x');
    const opened refused(long_path);
    CHECK(refused.socket.descriptor == -1);
    CHECK(refused.why.ends_with(": File name too long"));
}
