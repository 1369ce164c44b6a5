// Loads configurations written in a test.
#pragma once

#include "conf/load.hpp"
#include "test/support/temporary_folder.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::test {

// A folder with configuration files, and what comes of loading them.
class configuration {
  public:
    explicit configuration(std::string_view main) { write("weir.yaml", main); }

    configuration& write(std::string_view name, std::string_view content) {
        write_file(folder_.path(name), content);
        return *this;
    }
    std::string path(std::string_view name) const { return folder_.path(name); }

    conf::load_result load() const { return conf::load_file(folder_.path("weir.yaml")); }

    // What load() finds, a line each, with file names as they are in the folder.
    std::vector<std::string> faults() const {
        std::vector<std::string> out;
        for (const auto& each : load().faults) out.push_back(without_folder(conf::text(each)));
        return out;
    }
    std::vector<std::string> warnings() const {
        std::vector<std::string> out;
        for (const auto& each : load().warnings) out.push_back(without_folder(each));
        return out;
    }

  private:
    std::string without_folder(std::string text) const {
        const auto folder = folder_.path("");
        for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder))
            text.erase(at, folder.size());
        return text;
    }

    temporary_folder folder_;
};

// Lines that make a whole configuration of what tests add to it.
inline constexpr std::string_view one_upstream = "upstreams: {app: {servers: [127.0.0.1:9001]}}\n";

}  // namespace weir::test
