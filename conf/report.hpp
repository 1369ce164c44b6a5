// What loading finds wrong, and where.
#pragma once

#include "conf/load.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace weir::conf {

// A place in one of the files of a report; lines and columns count from 1.
struct place {
    std::size_t file = 0;
    int line = 1;
    int column = 1;
};

// Collects faults and warnings while the files of one configuration are read.
class report {
  public:
    // The number for places in the file called `name`; files rank in the order they are added.
    std::size_t add_file(std::string name);
    const std::string& file(const place& at) const { return files_[at.file]; }

    void fault(const place& at, std::string what);
    void warn(const place& at, const std::string& what);
    bool has_faults() const { return !faults_.empty(); }

    std::string text(const place& at) const;  // "file:line:column"

    // Sorted by place, the same fault (of an alias used twice) once, and no more of them than anybody reads.
    std::vector<conf::fault> take_faults();
    std::vector<std::string> take_warnings() { return std::move(warnings_); }

  private:
    struct placed {
        place at;
        std::string what;
    };

    std::vector<std::string> files_;
    std::vector<placed> faults_;
    std::vector<std::string> warnings_;
};

}  // namespace weir::conf
