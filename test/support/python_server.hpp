// The Python servers of this folder, under Debian's python3, on ports of the system's choice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/process.hpp"

namespace weir::test {

// Runs one script of test/support until destroyed. Waits until it has printed "ready PORT" (or "ready PATH").
class python_server {
  public:
    explicit python_server(const std::string& script, const std::vector<std::string>& arguments = {});

    std::uint16_t port() const { return port_; }
    // As `servers` wants it.
    const std::string& address() const { return address_; }
    process& program() { return program_; }

  private:
    process program_;
    std::uint16_t port_ = 0;
    std::string address_;
};

// A real CherryPy server of cherrypy_app.py, which says what it can do.
class cherrypy_server : public python_server {
  public:
    explicit cherrypy_server(const std::vector<std::string>& arguments = {})
        : python_server("cherrypy_app.py", arguments) {}
};

}  // namespace weir::test
