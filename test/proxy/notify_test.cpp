#include "proxy/notify.hpp"

#include "test/support/temporary_folder.hpp"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch.hpp>

using namespace weir::proxy;

namespace {

// The end of systemd: a datagram socket with the name that $NOTIFY_SOCKET then has.
class supervisor {
  public:
    explicit supervisor(const std::string& name) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name[0] == '@') address.sun_path[0] = '\0';
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        REQUIRE(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }
    ~supervisor() {
        ::unsetenv("NOTIFY_SOCKET");
        ::close(descriptor_);
    }

    // A unix datagram has arrived when sending it returns.
    std::string received() const {
        std::array<char, 1000> bytes{};
        const ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
        return size < 0 ? "nothing" : std::string(bytes.data(), static_cast<std::size_t>(size));
    }

  private:
    int descriptor_;
};

}  // namespace

TEST_CASE("systemd is told by one datagram each", "[proxy][notify]") {
    const weir::test::temporary_folder folder;
    const bool abstract = GENERATE(false, true);
    const supervisor systemd(abstract ? "@weir-notify-test-" + std::to_string(::getpid()) : folder.path("notify"));

    notify::ready();
    CHECK(systemd.received() == "READY=1");
    notify::stopping();
    CHECK(systemd.received() == "STOPPING=1");
    notify::status("serving 2 upstreams");
    CHECK(systemd.received() == "STATUS=serving 2 upstreams");
    notify::reloading();
    const std::string reloading = systemd.received();
    const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
    REQUIRE(reloading.starts_with(begin));
    CHECK(std::stoull(reloading.substr(begin.size())) > 0);
    CHECK(systemd.received() == "nothing");
}

TEST_CASE("nothing happens where nobody is to be told", "[proxy][notify]") {
    ::unsetenv("NOTIFY_SOCKET");
    notify::ready();
    for (const std::string& name :
         {std::string(), std::string("relative"), std::string("/nowhere/at/all"), '/' + std::string(200, 'x')}) {
        CAPTURE(name);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
        CHECK_NOTHROW(notify::ready());
        CHECK_NOTHROW(notify::reloading());
    }
    ::unsetenv("NOTIFY_SOCKET");
}
