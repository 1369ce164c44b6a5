#include "test/support/python_server.hpp"

namespace weir::test {
namespace {

std::vector<std::string> command(const std::string& script, const std::vector<std::string>& arguments) {
    std::vector<std::string> all{"/usr/bin/python3", "-B", std::string(WEIR_TEST_SUPPORT) + "/" + script};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

}  // namespace

python_server::python_server(const std::string& script, const std::vector<std::string>& arguments)
    : program_(command(script, arguments)) {
    const auto line = program_.wait_for_output_line("ready ");
    const auto where = line.substr(line.find("ready ") + 6);
    if (where.starts_with('/')) {
        address_ = "unix:" + where;
    } else {
        port_ = static_cast<std::uint16_t>(std::stoul(where));
        address_ = "127.0.0.1:" + where;
    }
}

}  // namespace weir::test
