// The arguments of the generators and origins: --name value pairs, known to the scripts that start them.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace bench {

class arguments {
  public:
    // argv[first] and on. Ends the program if they are no pairs.
    arguments(int argc, char** argv, int first) {
        for (int i = first; i < argc; i += 2) {
            const std::string name = argv[i];
            if (!name.starts_with("--") || i + 1 == argc) wrong(name);
            values_[name.substr(2)] = argv[i + 1];
        }
    }
    std::string text(const std::string& name, const std::string& otherwise) const {
        const auto found = values_.find(name);
        return found == values_.end() ? otherwise : found->second;
    }
    double number(const std::string& name, double otherwise) const {
        const auto found = values_.find(name);
        return found == values_.end() ? otherwise : std::strtod(found->second.c_str(), nullptr);
    }
    std::size_t count(const std::string& name, std::size_t otherwise) const {
        return static_cast<std::size_t>(number(name, static_cast<double>(otherwise)));
    }
    // Ends the program if it is not there.
    double required(const std::string& name) const {
        if (!values_.contains(name)) wrong("--" + name);
        return number(name, 0);
    }

  private:
    [[noreturn]] static void wrong(const std::string& name) {
        std::fprintf(stderr, "%s: not a name and a value, or missing\n", name.c_str());
        std::exit(2);
    }
    std::map<std::string, std::string> values_;
};

}  // namespace bench
